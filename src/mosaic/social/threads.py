"""Threads: a post and everything below it.

Every reply names its thread's root, so that a thread is whole in one query.

Source: core_tags.md (Reply, Root); edition §4.
"""

from __future__ import annotations

from mosaic.core import core_tags
from mosaic.core.core_tags import Target
from mosaic.core.filter import Filter
from mosaic.core.record import Record
from mosaic.core.reference import Reference
from mosaic.social import posts
from mosaic.social.feeds import Post, post_at
from mosaic.social.records import Records


def thread(records: Records, reference: Reference) -> list[Post]:
    """The whole thread that a reference stands in, its root first, then by time."""
    named = records.at(reference)
    if not named:
        return []
    root = posts.root_of(named[0])
    top = named[0] if root is None else next(iter(records.at(root.reference)), None)
    found: dict[bytes, Post] = {}
    for record in ([top] if top is not None else []) + replies(records, root, top):
        post = post_at(records, record)
        if post is not None:
            found.setdefault(post.address.bytes, post)
    head = top.address.bytes if top is not None else b""
    return sorted(found.values(), key=lambda post: (post.address.bytes != head, post.first.id))


def replies(records: Records, root: Target | None, top: Record | None) -> list[Record]:
    """All that names a root, by its address or by the id of a version that is at hand."""
    targets = [] if root is None else [root]
    if top is not None:
        targets.append(Target(top.kind, top.address))
        targets += [Target(version.kind, version.id) for version in records.at(top.address)]
    tags = [core_tags.root(*target) for target in dict.fromkeys(targets)]
    return list(records.newest_first(Filter.of(tags=tags[:_TAGS]))) if tags else []


# A tag of this type has 64 bytes; a filter element holds 2,032 bytes of them.
_TAGS = 31
