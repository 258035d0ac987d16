"""Kinds of templates and their words, in the order the page shows them. Pure."""

from __future__ import annotations

KINDS = {
    "image": "Image",
    "text": "Text",
    "audio": "Audio",
    "video": "Video",
    "tools": "Tools",
}
