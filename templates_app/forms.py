"""What a person types about a template."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

from templates_app.catalogue.fields import CatalogueError
from templates_app.catalogue.parsing import TEXT_MAX
from templates_app.models import Template
from templates_app.names import KINDS
from templates_app.own import Draft, read

NAME_MAX = 80
SUMMARY_MAX = 160
# A letter has at most four bytes.
FILE_MAX = 4 * TEXT_MAX
NOTHING = "Choose a YAML file, or paste its text."


def one_line(text: str, most: int) -> str:
    """The text, without spaces around it. Raises ValidationError."""
    if any(not letter.isprintable() for letter in text):
        raise ValidationError("Write it on one line, as plain text.")
    if len(text) > most:
        raise ValidationError(f"Keep it to {most} characters. This is {len(text)}.")
    return text


class WordsForm(forms.Form):
    """What people read of a template, and who sees it."""

    name = forms.CharField(error_messages={"required": "Give the template a name."})
    summary = forms.CharField(
        error_messages={"required": "Say in one line what it is for."}
    )
    kind = forms.ChoiceField(
        choices=list(KINDS.items()),
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Choose a kind."),
    )
    shared = forms.BooleanField(required=False)

    def clean_name(self) -> str:
        return one_line(self.cleaned_data["name"], NAME_MAX)

    def clean_summary(self) -> str:
        return one_line(self.cleaned_data["summary"], SUMMARY_MAX)

    @property
    def problems(self) -> dict[str, str]:
        """The first sentence for each field."""
        return {field: str(errors[0]) for field, errors in self.errors.items()}

    @property
    def summary_line(self) -> str:
        """ "2 fields need a change.", or "" when none does."""
        count = len(self.problems) if self.is_bound else 0
        if count == 1:
            return "One field needs a change."
        return f"{count} fields need a change." if count else ""


def words_of(template: Template) -> dict[str, Any]:
    """What WordsForm shows first for a template."""
    return {name: getattr(template, name) for name in ("name", "summary", "kind")} | {
        "shared": template.shared
    }


class ImportForm(forms.Form):
    """A file, or its text pasted. The text that was read is in `text`, as is."""

    file = forms.FileField(required=False, allow_empty_file=True)
    yaml = forms.CharField(required=False, strip=False)
    shared = forms.BooleanField(required=False)

    draft: Draft | None = None
    text: str = ""
    problem: str = ""
    line: int = 0

    def clean(self) -> dict[str, Any]:
        """Reads it; what is wrong is in `problem`, and on which line in `line`."""
        try:
            self.text = self._text()
            self.draft = read(self.text)
        except CatalogueError as error:
            self.problem, self.line = error.sentence, error.line
        except ValidationError as error:
            self.problem = str(error.message)
        if self.problem:
            self.add_error("yaml", self.problem)
        return self.cleaned_data

    def _text(self) -> str:
        pasted = self.cleaned_data.get("yaml", "").replace("\r\n", "\n")
        # Kept for the page, whatever comes of the file.
        self.text = pasted
        upload: UploadedFile | None = self.cleaned_data.get("file")
        if upload is None:
            if not pasted.strip():
                raise ValidationError(NOTHING)
            return str(pasted)
        if (upload.size or 0) > FILE_MAX:
            raise ValidationError(
                f"This file has {upload.size:,} bytes. A template has at most "
                f"{FILE_MAX:,}."
            )
        try:
            text: str = upload.read().decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError:
            raise ValidationError(
                "This file is not text in UTF-8. Choose a YAML file."
            ) from None
        if not text.strip():
            raise ValidationError(f"This file is empty. {NOTHING}")
        return text
