"""Who may run an image that the node has: whoever got it from its registry.

An engine asks nobody about an image it has. So it is noted which account's sign-in
brought one, and everybody else gets it as if it were not there: from the registry,
which decides. What came by no sign-in of an account (the node's own `docker login`,
`docker load`, a public registry, a build) is everybody's.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from replicas.models import ImagePull

# A pull that was given up leaves its beginning behind.
_LONGEST = timedelta(days=1)


def may_use(owner_id: int, image: str, digest: str) -> bool:
    """Whether the account may have this image without asking its registry.

    image: what it is called. digest: the engine's id of what the node has by that name.
    """
    # By its id: one image has many names. By name while it is not known what comes.
    begun = timezone.now() - _LONGEST
    about = Q(digest=digest) | Q(digest="", image=image, at__gte=begun)
    rows = ImagePull.objects.filter(about).values_list("owner_id", "digest", "private")
    mine = any(owner == owner_id and known == digest for owner, known, _ in rows)
    return mine or not any(private for _, _, private in rows)


def begin(owner_id: int, image: str) -> None:
    """A pull with the account's own sign-in begins: others ask from now on."""
    ImagePull.objects.update_or_create(
        owner_id=owner_id,
        image=image,
        digest="",
        defaults={"private": True, "at": timezone.now()},
    )


def got(owner_id: int, image: str, digest: str, *, private: bool) -> None:
    """The registry gave the account this. Not less private than it was."""
    row, made = ImagePull.objects.get_or_create(
        owner_id=owner_id, image=image, digest=digest, defaults={"private": private}
    )
    if private and not made and not row.private:
        ImagePull.objects.filter(pk=row.pk).update(private=True)
    ended(owner_id, image)


def ended(owner_id: int, image: str) -> None:
    """The pull is over, one way or another."""
    ImagePull.objects.filter(owner_id=owner_id, image=image, digest="").delete()
