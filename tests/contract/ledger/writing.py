"""Promises about writing: L1, L2, L5 to L9 and L11. A confirmed write is whole, ours alone, and made once."""

import pytest

from sidecar.errors import ConfigError, PermanentError, RecordGone, StaleVersion, UnsupportedFeature
from sidecar.model import Value
from sidecar.ports import Create, Failed, Update, Written
from tests.contract.ledger.crm import LONG_CHARS, TEXT_CHARS, VALUES, Crm, error, record

TEXTS = (
    "naïve café, Ελληνικά, עברית, العربية, 漢字, 👩‍👩‍👧 and e\u0301",
    "line one\nline two\r\nline three\ttabbed",
    "  leading and trailing spaces  ",
    "<b>bold</b> &amp; <script>alert(1)</script> <img src=x onerror=y>",
    "' OR 1=1; -- \\ \" %s {x} $1",
    "nul \x00 and bell \x07",
    "half a pair \ud83d",
    "x" * TEXT_CHARS,
    "x" * (TEXT_CHARS + 1),
    "y" * LONG_CHARS,
    "y" * (LONG_CHARS + 1),
)


class WritingContract:
    """What a write does, and what it leaves alone."""

    def test_l1_what_was_written_reads_back_for_each_kind(self, crm: Crm) -> None:
        """L1: each kind of record reads back as it was written; seed: `update` stores the held fields only."""
        for kind in sorted(crm.ledger.capabilities.kinds):
            wanted = crm.harness.sample(kind)
            written = record(crm.ledger.write([Create(kind, crm.key(), wanted, crm.ties(kind))])[0])
            for seen in (written, crm.read(kind, written.ref)):
                assert seen.kind == kind
                assert {name: seen.fields.get(name) for name in wanted} == wanted

    @pytest.mark.parametrize("name", VALUES)
    def test_l1_what_was_written_reads_back_for_each_type(self, crm: Crm, name: str) -> None:
        """L1: each type of value reads back equal and of its own type; seed: fields stored as texts."""
        for value in VALUES[name]:
            made = crm.create(ours={name: value})
            held = crm.value(made.ref, name)
            assert held == value
            assert isinstance(held, bool) == isinstance(value, bool)
            assert isinstance(held, str) == isinstance(value, str)

    def test_l2_the_same_key_twice_makes_one_record(self, crm: Crm) -> None:
        """L2: a repeated creation, alone or within a batch, returns the first record as is; seed: keys not stored."""
        for kind in sorted(crm.ledger.capabilities.kinds):
            key, wanted, ties = crm.key(), crm.harness.sample(kind), crm.ties(kind)
            first, twin = crm.ledger.write([Create(kind, key, wanted, ties), Create(kind, key, wanted, ties)])
            (again,) = crm.ledger.write([Create(kind, key, crm.harness.sample(kind), ties)])
            assert {record(first).ref, record(twin).ref, record(again).ref} == {record(first).ref}
            held = crm.read(kind, record(first).ref).fields
            assert {name: held.get(name) for name in wanted} == wanted

    def test_l2_a_record_is_found_by_its_key(self, crm: Crm) -> None:
        """L2: a look after an unknown outcome is conclusive; seed: `find_by_key` ignores the kind."""
        key = crm.key()
        if not crm.ledger.capabilities.unique_key:
            with pytest.raises(UnsupportedFeature):
                crm.ledger.find_by_key("contact", [key])
            return
        made = crm.create(key=key, ai_text="mine")
        crm.harness.advance(crm.ledger.capabilities.settle_s)
        found = crm.ledger.find_by_key("contact", [key, "never-used"])
        assert {k: r.ref for k, r in found.items()} == {key: made.ref}
        assert found[key].fields == crm.read("contact", made.ref).fields
        assert crm.ledger.find_by_key("deal", [key]) == {}

    def test_l5_only_named_fields_change(self, crm: Crm) -> None:
        """L5: an update leaves what it doesn't name, a person's later edit too; seed: `update` replaces all fields."""
        made = crm.create(ai_text="ours", ai_number=1, ai_bool=False)
        crm.harness.person_edits("contact", made.ref, crm.ours({"ai_number": 2}))
        record(crm.update(made.ref, ai_text="newer"))
        expected = {**made.fields, **crm.ours({"ai_text": "newer", "ai_number": 2})}
        assert crm.read("contact", made.ref).fields == expected

    def test_l6_clear_differs_from_omit(self, crm: Crm) -> None:
        """L6: None empties the field and only that, an empty text is empty; seed: None means leave alone."""
        made = crm.create(ai_text="here", ai_long="stays", ai_number=7, ai_bool=True, ai_enum="low")
        record(crm.update(made.ref, ai_text=None, ai_number=None, ai_bool=None, ai_enum=""))
        for name in ("ai_text", "ai_number", "ai_bool", "ai_enum"):
            assert crm.value(made.ref, name) is None
        assert crm.value(made.ref, "ai_long") == "stays"
        record(crm.update(made.ref, ai_text="back"))
        assert crm.value(made.ref, "ai_text") == "back"

    def test_l7_a_stale_version_is_a_conflict(self, crm: Crm) -> None:
        """L7: a write that relies on an outdated reading changes nothing; seed: `if_version` ignored."""
        made = crm.create(ai_text="read by us")
        assert made.version is not None or not crm.ledger.capabilities.conditional_write
        if not crm.ledger.capabilities.conditional_write:
            with pytest.raises(UnsupportedFeature):
                crm.update(made.ref, if_version="1", ai_text="ours")
            assert crm.value(made.ref, "ai_text") == "read by us"
            return
        crm.harness.person_edits("contact", made.ref, crm.ours({"ai_text": "typed meanwhile"}))
        assert isinstance(error(crm.update(made.ref, if_version=made.version, ai_text="ours")), StaleVersion)
        assert crm.value(made.ref, "ai_text") == "typed meanwhile"
        fresh = crm.read("contact", made.ref).version
        written = record(crm.update(made.ref, if_version=fresh, ai_text="ours"))
        assert crm.value(made.ref, "ai_text") == "ours"
        assert written.version == crm.read("contact", made.ref).version != fresh

    def test_l8_an_unknown_field_is_refused_by_name(self, crm: Crm) -> None:
        """L8: a property that isn't there is the operator's, and nothing of its row is written; seed: it is dropped."""
        made = crm.create(ai_text="before")
        fields = {**crm.ours({"ai_text": "after"}), "ai_mistyped": "x"}
        updated, created = crm.ledger.write(
            [
                Update("contact", made.ref, fields),
                Create("contact", "unmade", {**crm.harness.sample("contact"), **fields}),
            ]
        )
        for refused in (error(updated), error(created)):
            assert isinstance(refused, ConfigError)
            assert "ai_mistyped" in str(refused)
        assert crm.value(made.ref, "ai_text") == "before"
        if crm.ledger.capabilities.unique_key:
            assert crm.ledger.find_by_key("contact", ["unmade"]) == {}

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("ai_enum", "middling"),
            ("ai_number", "many"),
            ("ai_number", True),
            ("ai_number", float("nan")),
            ("ai_number", float("inf")),
            ("ai_date", "Thursday"),
            ("ai_date", "2026-02-30"),
            ("ai_datetime", "2026-02-28T10:00:00"),
            ("ai_datetime", "soon"),
            ("ai_bool", "maybe"),
            ("ai_text", 5),
        ],
    )
    def test_l8_a_value_of_the_wrong_type_is_refused_by_name(self, crm: Crm, name: str, value: Value) -> None:
        """L8: what a property can't hold is refused, the old value stays; seed: no check of that type."""
        made = crm.create(ours={name: VALUES[name][0]})
        refused = error(crm.update(made.ref, ours={name: value}))
        assert isinstance(refused, PermanentError)
        assert crm.harness.property(name) in str(refused)
        assert crm.value(made.ref, name) == VALUES[name][0]

    def test_l8_a_stage_outside_its_pipeline_is_refused(self, crm: Crm) -> None:
        """L8: a deal can't stand where its pipeline has no stage; seed: stages not checked against the pipeline."""
        made = crm.create("deal")
        own = made.fields[crm.harness.pipeline_property]
        inside = {stage for p in crm.ledger.pipelines() if p.ref == own for stage, _ in p.stages}
        elsewhere = {stage for p in crm.ledger.pipelines() for stage, _ in p.stages} - inside
        for stage in ("no-such-stage", *sorted(elsewhere)):
            write = Update("deal", made.ref, {crm.harness.stage_property: stage})
            assert isinstance(error(crm.ledger.write([write])[0]), PermanentError)
        assert crm.read("deal", made.ref).fields == made.fields

    def test_l8_a_kind_that_is_not_there_is_unsupported(self, crm: Crm) -> None:
        """L8: a record kind that isn't declared raises before anything is written; seed: kinds not checked first."""
        kept = Create("contact", "unmade", crm.harness.sample("contact"))
        with pytest.raises(UnsupportedFeature):
            crm.ledger.write([kept, Create("invoice", crm.key(), {})])
        if crm.ledger.capabilities.unique_key:
            assert crm.ledger.find_by_key("contact", ["unmade"]) == {}
        for call in (
            crm.ledger.schema,
            lambda kind: crm.ledger.read(kind, ["1"]),
            lambda kind: crm.ledger.find(kind, []),
        ):
            with pytest.raises(UnsupportedFeature):
                call("invoice")

    @pytest.mark.parametrize("name", ["ai_text", "ai_long"])
    @pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
    def test_l9_a_text_survives_or_is_refused(self, crm: Crm, name: str, text: str) -> None:
        """L9: no character is lost in silence, no text is cut; seeds: values stripped, cut at their limit."""
        made = crm.create(ours={name: "before"})
        result = crm.update(made.ref, ours={name: text})
        if isinstance(result, Written):
            assert crm.value(made.ref, name) == text
        else:
            assert isinstance(result.error, PermanentError)
            assert crm.value(made.ref, name) == "before"

    def test_l9_what_customers_write_fits(self, crm: Crm) -> None:
        """L9: refusing everything is no way to keep L9; seed: long texts limited to ASCII."""
        made = crm.create()
        for text in (*TEXTS[:5], TEXTS[9]):
            record(crm.update(made.ref, ai_long=text))
            assert crm.value(made.ref, "ai_long") == text

    def test_l11_a_refused_row_leaves_its_neighbours_alone(self, crm: Crm) -> None:
        """L11: one result per row, in the order of the rows; seed: the batch ends at the first refusal."""
        made, gone = crm.create(ai_text="before"), crm.create()
        crm.harness.person_deletes("contact", gone.ref)
        taken = {**crm.harness.sample("contact"), **{n: made.fields[n] for n in crm.identifying()}}
        rows: list[Create | Update] = [
            Create("contact", crm.key(), crm.harness.sample("contact")),
            Create("contact", crm.key(), {**crm.harness.sample("contact"), "ai_mistyped": "x"}),
            Update("contact", made.ref, crm.ours({"ai_text": "after"})),
            Update("contact", gone.ref, crm.ours({"ai_text": "after"})),
            Create("contact", crm.key(), taken),
            Create("note", crm.key(), crm.harness.sample("note"), crm.ties("note")),
        ]
        results = crm.ledger.write(rows)
        assert [type(r) for r in results] == [Written, Failed, Written, Failed, Failed, Written]
        assert isinstance(error(results[1]), ConfigError)
        assert isinstance(error(results[3]), RecordGone)
        assert made.ref in str(error(results[4])), "a duplicate is refused by the name of its holder"
        assert record(results[2]).ref == made.ref
        assert crm.value(made.ref, "ai_text") == "after"
        for row, result in ((rows[0], results[0]), (rows[5], results[5])):
            held = crm.read(row.kind, record(result).ref).fields
            assert {name: held.get(name) for name in row.fields} == row.fields

    def test_l11_a_batch_costs_the_declared_number_of_calls(self, crm: Crm) -> None:
        """L11: quota is spent as declared, over the batch size too; seed: each row written twice."""
        for count in (1, 5, crm.ledger.capabilities.batch_size + 1):
            rows = [Create("contact", crm.key(), crm.harness.sample("contact")) for _ in range(count)]
            before = crm.harness.calls()
            results = crm.ledger.write(rows)
            assert crm.harness.calls() - before == crm.harness.calls_for(count)
            assert len({record(result).ref for result in results}) == count

    def test_l11_an_empty_batch_is_nothing(self, crm: Crm) -> None:
        """L11: no rows, no results, no call; seed: a transaction is opened for the batch."""
        before = crm.harness.calls()
        assert list(crm.ledger.write([])) == []
        assert crm.harness.calls() == before
