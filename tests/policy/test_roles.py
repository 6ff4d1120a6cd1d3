"""The roles: who may leave what where, and who reads it then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mosaic.core.community_kinds import (
    CHANNEL_KEY,
    DELETION,
    DIRECT_MESSAGE,
    PASSING_MESSAGE,
    PRIVATE_DELETION,
    PRIVATE_MESSAGE,
    VOUCH,
)
from mosaic.core.kind import Kind, Readers
from mosaic.core.kinds import CHAT_MESSAGE, KEY_SCHEDULE, MICROBLOG, PROFILE, REPLY_COMMENT
from mosaic.node.operating_settings import RoleSettings
from mosaic.policy.bans import Ban, BanList
from mosaic.policy.blob_upload import BlobUpload
from mosaic.policy.introductions import Introductions
from mosaic.policy.label import Label
from mosaic.policy.roles import Role, any_of, any_upload, roles_of
from mosaic.policy.rules import no_bare_private_kinds, not_banned, not_erased
from mosaic.policy.served import everyone, listed
from mosaic.policy.standing import Standing
from mosaic.policy.submission import Submission, Way
from mosaic.policy.verdict import ACCEPT, Accept, Refuse, Verdict, decide
from mosaic.policy.withhold import Withhold, always, strangers
from mosaic.testing import FakeClock, Person
from mosaic.testing.people import kind_of
from mosaic.wire.result_code import ResultCode

ANNA, BEN, EVE = Person("anna"), Person("ben"), Person("eve")
CLOCK = FakeClock()
NOW = CLOCK.now_ns()
SERVED = {ANNA.key_bytes, BEN.key_bytes}.__contains__
PRIVATE = kind_of(readers=Readers.AUTHOR_AND_TAGGED)
SECRET = kind_of(readers=Readers.AUTHOR)
NONE = RoleSettings(outbox=True, inbox=False, encryption=False)


def chosen(*names: str, readers: str = "everybody") -> RoleSettings:
    return replace(NONE, **{"outbox": False, **dict.fromkeys(names, True), "inbox_readers": readers})  # type: ignore[arg-type]


def introductions(stored: Callable[[bytes], bool] = lambda key: False, an_hour: int = 120) -> Introductions:
    return Introductions(stored, CLOCK.now_ns, an_hour=an_hour)


def roles(*names: str, withhold: Withhold | None = None, readers: str = "everybody") -> tuple[Role, ...]:
    return roles_of(chosen(*names, readers=readers), SERVED, introductions(), withhold)


def judged(
    by: tuple[Role, ...],
    person: Person,
    kind: Kind = MICROBLOG,
    notify: tuple[Person, ...] = (),
    way: Way = Way.LINK,
    standing: Standing = Standing.ANONYMOUS,
) -> Verdict:
    record = person.record(NOW, kind=kind, notify=[one.key for one in notify]).data
    return any_of(by)(Submission(record, (), way, standing, "192.0.2.1"))


def label(verdict: Verdict) -> Label | None:
    """The label with which a record is taken, None when it is refused."""
    return Label(verdict.label) if isinstance(verdict, Accept) else None


# --- outbox ----------------------------------------------------------------------------------------


@pytest.mark.claim("C54")
@pytest.mark.parametrize("kind", [MICROBLOG, PRIVATE, SECRET, KEY_SCHEDULE])
def test_an_outbox_takes_whatever_its_people_write(kind: Kind) -> None:
    assert label(judged(roles("outbox"), ANNA, kind)) == Label.NONE


@pytest.mark.claim("C54")
@pytest.mark.parametrize("notify", [(), (ANNA,), (EVE,)])
def test_an_outbox_takes_nothing_of_strangers(notify: tuple[Person, ...]) -> None:
    verdict = judged(roles("outbox"), EVE, notify=notify)
    assert isinstance(verdict, Refuse)
    assert verdict.result is ResultCode.UNAUTHORIZED


# --- inbox -----------------------------------------------------------------------------------------


@pytest.mark.claim("C55")
def test_an_inbox_takes_from_strangers_what_notifies_its_people() -> None:
    assert label(judged(roles("inbox"), EVE, REPLY_COMMENT, (BEN,))) == Label.NONE
    assert label(judged(roles("inbox"), EVE, REPLY_COMMENT, (EVE, BEN))) == Label.NONE
    assert label(judged(roles("inbox"), EVE, REPLY_COMMENT, (EVE,))) is None
    assert label(judged(roles("inbox"), EVE, REPLY_COMMENT)) is None


@pytest.mark.claim("C55")
def test_an_inbox_refuses_what_only_its_author_could_read() -> None:
    assert label(judged(roles("inbox"), EVE, SECRET, (ANNA,))) is None


@pytest.mark.claim("C55")
def test_an_inbox_may_be_for_its_recipients_alone() -> None:
    for_recipients = roles("inbox", readers="recipient")
    assert label(judged(for_recipients, EVE, REPLY_COMMENT, (BEN,))) == Label.ONLY_TAGGED
    assert label(judged(for_recipients, EVE, KEY_SCHEDULE)) == Label.NONE


def test_an_inbox_takes_posts_of_its_people_only_where_they_notify_one_of_them() -> None:
    assert label(judged(roles("inbox"), ANNA)) is None
    assert label(judged(roles("inbox"), ANNA, notify=(BEN,))) == Label.NONE
    assert label(judged(roles("inbox"), ANNA, KEY_SCHEDULE)) == Label.NONE


def test_what_tells_whose_a_record_is_comes_at_a_slow_pace_from_whom_nobody_knows() -> None:
    by = roles_of(chosen("inbox"), SERVED, introductions(an_hour=2), None)
    assert label(judged(by, EVE, KEY_SCHEDULE)) == Label.NONE
    assert label(judged(by, EVE, PROFILE)) is None
    # Who has written to somebody here is known from then on.
    assert label(judged(by, EVE, REPLY_COMMENT, (ANNA,))) == Label.NONE
    assert [label(judged(by, EVE, PROFILE)) for _ in range(5)] == [Label.NONE] * 5


@pytest.mark.parametrize("kind", [DELETION, VOUCH])
def test_what_somebody_says_later_of_his_records_is_taken_where_he_has_any(kind: Kind) -> None:
    stranger = roles_of(chosen("inbox"), SERVED, introductions(), None)
    known = roles_of(chosen("inbox"), SERVED, introductions(EVE.key_bytes.__eq__), None)
    assert label(judged(stranger, EVE, kind)) is None
    assert label(judged(known, EVE, kind)) == Label.NONE


# --- what is held back -----------------------------------------------------------------------------


@pytest.mark.claim("C55")
def test_an_inbox_may_hold_back_what_strangers_write() -> None:
    by = roles("outbox", "inbox", withhold=strangers(contacts={BEN.key_bytes}))
    assert label(judged(by, EVE, REPLY_COMMENT, (ANNA,))) == Label.WITHHELD
    assert label(judged(by, EVE, REPLY_COMMENT, (ANNA,), standing=Standing.STRANGER)) == Label.WITHHELD
    assert label(judged(by, EVE, REPLY_COMMENT, (ANNA,), standing=Standing.CONTACT)) == Label.NONE
    assert label(judged(by, EVE, KEY_SCHEDULE)) == Label.NONE
    # What was found elsewhere is a stranger's, too; what people here chose to read is not.
    assert label(judged(by, EVE, REPLY_COMMENT, (ANNA,), way=Way.SYNC)) == Label.WITHHELD
    assert label(judged(by, EVE, REPLY_COMMENT, (ANNA,), way=Way.MIRROR)) == Label.NONE


def test_what_contacts_and_the_people_served_write_is_not_held_back() -> None:
    contact = Person("contact")
    by = roles("inbox", withhold=strangers(contacts={contact.key_bytes}))
    assert label(judged(by, contact, REPLY_COMMENT, (ANNA,))) == Label.NONE
    assert label(judged(roles("outbox", "inbox", withhold=always), BEN, notify=(ANNA,))) == Label.NONE


@pytest.mark.parametrize("kind", [DELETION, VOUCH])
def test_what_somebody_says_later_of_his_records_is_held_back_only_as_a_message(kind: Kind) -> None:
    known = introductions(EVE.key_bytes.__eq__)
    by = roles_of(chosen("inbox"), SERVED, known, strangers(contacts=()))
    assert label(judged(by, EVE, kind)) == Label.NONE
    assert label(judged(by, EVE, kind, (ANNA,))) == Label.WITHHELD
    assert label(judged(by, EVE, REPLY_COMMENT, (ANNA,))) == Label.WITHHELD


def test_what_is_held_back_and_for_recipients_alone_has_both_labels() -> None:
    by = roles("inbox", withhold=always, readers="recipient")
    assert label(judged(by, EVE, REPLY_COMMENT, (ANNA,))) == Label.WITHHELD | Label.ONLY_TAGGED


# --- encryption ------------------------------------------------------------------------------------


@pytest.mark.claim("C56")
@pytest.mark.parametrize("others", [(), ("outbox",), ("inbox",), ("outbox", "inbox", "chat")])
def test_what_an_encryption_server_takes_only_its_recipients_read(others: tuple[str, ...]) -> None:
    by = roles("encryption", *others)
    assert label(judged(by, EVE, PRIVATE_MESSAGE, (ANNA,))) == Label.ONLY_TAGGED
    assert label(judged(by, EVE, PRIVATE, (ANNA,))) == Label.ONLY_TAGGED
    assert label(judged(by, EVE, PRIVATE_MESSAGE, (EVE,))) is None
    assert label(judged(by, EVE, PRIVATE_MESSAGE)) is None
    assert label(judged(by, EVE, SECRET, (ANNA,))) is None


@pytest.mark.claim("C56")
def test_where_everybody_is_served_only_its_recipients_read_a_private_message_all_the_same() -> None:
    by = roles_of(chosen("outbox", "inbox", "encryption"), everyone(), introductions())
    assert label(judged(by, EVE, PRIVATE_MESSAGE, (ANNA,))) == Label.ONLY_TAGGED
    assert label(judged(by, EVE)) == Label.NONE
    assert label(judged(roles("outbox"), ANNA, PRIVATE_MESSAGE, (BEN,))) is None


@pytest.mark.claim("C56")
def test_an_encryption_server_without_another_role_keeps_all_that_comes_private() -> None:
    assert label(judged(roles("encryption"), EVE, MICROBLOG, (ANNA,))) == Label.ONLY_TAGGED
    assert label(judged(roles("encryption", "inbox"), EVE, MICROBLOG, (ANNA,))) == Label.NONE


@pytest.mark.claim("C56")
@pytest.mark.parametrize("way", [Way.OWNER, Way.MIRROR, Way.SYNC, Way.IMPORT])
def test_a_private_record_gets_its_label_by_whichever_way_it_comes(way: Way) -> None:
    assert (
        label(judged(roles("outbox", "encryption"), EVE, PRIVATE_MESSAGE, (ANNA,), way)) == Label.ONLY_TAGGED
    )
    assert (
        label(judged(roles("outbox", "encryption"), EVE, PRIVATE_MESSAGE, (EVE,), way)) == Label.ONLY_TAGGED
    )
    assert label(judged(roles("outbox", "encryption"), EVE, MICROBLOG, (), way)) == Label.NONE


@pytest.mark.parametrize("kind", [KEY_SCHEDULE, PROFILE, PRIVATE_DELETION, DELETION, VOUCH])
def test_every_server_takes_the_papers_of_its_people(kind: Kind) -> None:
    for name in ("outbox", "inbox", "encryption", "chat"):
        assert label(judged(roles(name), ANNA, kind)) == Label.NONE
    assert label(judged(roles("encryption"), EVE, kind)) is None


# --- chat ------------------------------------------------------------------------------------------


@pytest.mark.claim("C57")
@pytest.mark.parametrize("kind", [CHAT_MESSAGE, PASSING_MESSAGE])
def test_a_chat_server_takes_chat_by_and_to_its_people(kind: Kind) -> None:
    assert label(judged(roles("chat"), ANNA, kind)) == Label.NONE
    assert label(judged(roles("chat"), EVE, kind, (ANNA,))) == Label.NONE
    assert label(judged(roles("chat"), EVE, kind)) is None
    assert label(judged(roles("chat"), ANNA, MICROBLOG)) is None


# --- several roles ---------------------------------------------------------------------------------


@pytest.mark.claim("C57")
def test_with_all_roles_each_record_gets_the_narrowest_readers_that_its_kind_asks_for() -> None:
    by = roles("outbox", "inbox", "encryption", "chat")
    assert [role.name for role in by] == ["outbox", "encryption", "inbox", "chat"]
    assert label(judged(by, ANNA, PRIVATE, (BEN,))) == Label.NONE
    assert label(judged(by, EVE, PRIVATE, (BEN,))) == Label.ONLY_TAGGED
    assert label(judged(by, EVE, REPLY_COMMENT, (BEN,))) == Label.NONE
    assert label(judged(by, EVE)) is None


def test_a_rule_that_fails_refuses_and_no_other_role_is_asked() -> None:
    def broken(submission: Submission) -> Verdict:
        raise RuntimeError("no")

    failing = Role("failing", None, (broken,), (), ("fails",))
    for way in Way:
        verdict = judged((failing, *roles("outbox")), ANNA, way=way)
        assert isinstance(verdict, Refuse)
        assert verdict.result is ResultCode.GENERAL_ERROR


def test_what_the_node_brings_is_taken_whatever_the_roles() -> None:
    for way in Way:
        taken = label(judged(roles("outbox"), EVE, way=way)) == Label.NONE
        assert taken == (way is not Way.LINK)


def test_without_a_role_nothing_is_taken_from_links() -> None:
    assert label(judged((), ANNA)) is None


def test_blobs_come_from_the_people_served() -> None:
    for name in ("outbox", "inbox", "encryption"):
        hook = any_upload(roles(name))
        assert hook(BlobUpload(bytes(32), 9, (EVE.key_bytes, ANNA.key_bytes))) is ACCEPT
        for viewers, result in (
            ((), ResultCode.REQUIRES_AUTHENTICATION),
            ((EVE.key_bytes,), ResultCode.UNAUTHORIZED),
        ):
            verdict = hook(BlobUpload(bytes(32), 9, viewers))
            assert isinstance(verdict, Refuse)
            assert verdict.result is result


# --- who is served ---------------------------------------------------------------------------------


def test_a_list_of_people_served_is_asked_as_it_is_now() -> None:
    keys = frozenset({ANNA.key_bytes})
    served = listed(lambda: keys)
    assert served(ANNA.key_bytes)
    assert not served(BEN.key_bytes)
    keys = frozenset({BEN.key_bytes})
    assert served(BEN.key_bytes)
    assert everyone()(EVE.key_bytes)


# --- what holds in every role ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [DIRECT_MESSAGE, CHANNEL_KEY])
def test_private_kinds_travel_inside_a_private_message_alone(kind: Kind) -> None:
    verdict = no_bare_private_kinds(Submission(ANNA.record(NOW, kind=kind, notify=[BEN.key]).data))
    assert isinstance(verdict, Refuse)
    assert verdict.result is ResultCode.INVALID
    assert no_bare_private_kinds(Submission(ANNA.record(NOW, kind=PRIVATE_MESSAGE).data)) is ACCEPT


def test_what_was_erased_stays_away_and_what_is_new_may_come() -> None:
    hook = not_erased({ANNA.key_bytes: NOW}.get)
    assert isinstance(hook(Submission(ANNA.record(NOW).data)), Refuse)
    assert hook(Submission(ANNA.record(NOW + 1).data)) is ACCEPT
    assert hook(Submission(BEN.record(NOW).data)) is ACCEPT


@pytest.mark.claim("C60")
def test_banned_keys_are_refused_as_authors_and_as_signers() -> None:
    banned = Refuse(ResultCode.PUBKEY_PERM_BANNED, "spam")
    of_key = {EVE.key_bytes: banned, ANNA.device().public.bytes: banned}.get
    hook = not_banned(of_key)
    for way in Way:
        expected = ACCEPT if way is Way.OWNER else banned
        assert hook(Submission(EVE.record(NOW, signer=EVE.device()).data, (), way)) == expected
    assert hook(Submission(ANNA.record(NOW, signer=ANNA.device()).data)) == banned
    assert hook(Submission(ANNA.record(NOW).data)) is ACCEPT


def test_a_ban_that_is_made_known_later_holds_at_once() -> None:
    bans = BanList()
    hook = not_banned(lambda key: bans.of_key(key, NOW), bans.keys)
    submission = Submission(EVE.record(NOW).data)
    assert hook(submission) is ACCEPT
    ban = Ban("key", EVE.key_bytes, 256, "spam", NOW, None, "operator")
    bans.replace([ban])
    assert isinstance(hook(submission), Refuse)
    bans.replace([])
    assert hook(submission) is ACCEPT
    bans.add(ban)
    assert isinstance(hook(submission), Refuse)


def test_every_rule_of_every_role_has_its_sentence() -> None:
    for settings in (
        chosen("outbox", "inbox", "encryption", "chat", readers="recipient"),
        chosen("encryption"),
    ):
        for role in roles_of(settings, SERVED, introductions(), always):
            assert len(role.rules) == len(role.sentences) > 0


def test_a_hook_that_answers_nonsense_refuses() -> None:
    def nonsense(submission: Submission) -> Verdict:
        return None  # type: ignore[return-value]

    verdict = decide([nonsense], Submission(ANNA.record(NOW).data))
    assert isinstance(verdict, Refuse)
    assert verdict.result is ResultCode.GENERAL_ERROR
