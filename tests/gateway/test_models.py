"""Generated models: how a body becomes a message, and a message a response."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import ValidationError

from chassis.models import choices, example_of, to_message, to_model
from rangkiang.catalog.v1 import models as catalog
from rangkiang.catalog.v1 import works_pb2
from rangkiang.circulation.v1 import models as circulation
from rangkiang.circulation.v1 import rules_pb2
from rangkiang.members.v1 import models, people_pb2, requests_pb2
from rangkiang.notifications.v1 import models as notifications
from rangkiang.notifications.v1 import notices_pb2
from tests.conftest import CHECKOUT

DECLARED = """
syntax = "proto3";
package rangkiang.sample.v1;
import "rangkiang/common/v1/options.proto";
{comment}
message Sample {{
  option (common.v1.response) = "Sample";
  // Text.
  string text = 1;
}}
"""


def changed(**fields: object) -> people_pb2.ChangeMemberRequest:
    return to_message(people_pb2.ChangeMemberRequest, models.ChangedMemberBody.model_validate(fields), id="1")


def test_an_absent_field_of_a_body_is_absent_in_the_message() -> None:
    message = changed(name="Siti")
    assert [field.name for field, _ in message.fields.ListFields()] == ["name"]
    assert (message.id, message.fields.name) == ("1", "Siti")


def test_null_sets_an_optional_field_to_empty() -> None:
    message = changed(occupation=None, guardian=None)
    assert message.fields.HasField("occupation")
    assert message.fields.HasField("guardian")
    assert message.fields.occupation == message.fields.guardian.name == ""


def test_nested_objects_and_lists_become_messages() -> None:
    consent = {"purpose": "news", "text_version": "1", "given": True}
    message = changed(guardian={"name": "Rahmawati", "phone": None}, evidence=["ktp"], consents=[consent])
    assert message.fields.guardian == people_pb2.Guardian(name="Rahmawati")
    assert list(message.evidence) == ["ktp"]
    assert list(message.consents) == [people_pb2.Consent(**consent, how="desk")]


def test_a_parameter_sets_the_field_that_it_names() -> None:
    message = to_message(notices_pb2.ListNoticesRequest, notifications.NoticesQuery(member="0192", limit="20"))
    assert (message.member_id, message.limit) == ("0192", 20)


def test_a_list_of_messages_can_be_an_object_of_lists_in_a_body_and_in_a_response() -> None:
    body = circulation.SeasonBody.model_validate(
        {"from": "2026-02-18", "to": "2026-03-17", "weekly": {"fri": [["08:00", "11:30"], ["13:30", "16:00"]]}}
    )
    message = to_message(rules_pb2.Season, body)
    assert [(day.day, [(hours.opens, hours.closes) for hours in day.hours]) for day in message.weekly] == [
        ("fri", [("08:00", "11:30"), ("13:30", "16:00")])
    ]
    weekly = to_model(circulation.Season, message).model_dump(by_alias=True)["weekly"]
    assert {day: hours for day, hours in weekly.items() if hours} == {"fri": [["08:00", "11:30"], ["13:30", "16:00"]]}
    assert list(weekly) == ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def test_stored_json_is_sent_unchanged_among_the_properties_around_it() -> None:
    edition = works_pb2.Edition(record={"id": "0192", "brief": b'{"title": "Kemarau"}'}, score=95)
    assert to_model(catalog.Edition, edition).model_dump_json(by_alias=True, exclude_none=True) == (
        '{"id":"0192","record":{"title":"Kemarau"},"holdings":[],"score":95,"reasons":[]}'
    )


def test_a_body_has_no_property_that_the_route_or_the_service_sets() -> None:
    for hidden in ({"id": "1"}, {"version": 2}, {"consents": [{"at": "2026-11-26T03:12:00Z"}]}):
        with pytest.raises(ValidationError, match="extra_forbidden"):
            models.ChangedMemberBody.model_validate(hidden)


def test_personal_data_is_not_in_the_representation_of_a_body() -> None:
    body = models.ChangedMemberBody(nik="1372015203880001", occupation="Guru")
    assert "Guru" in repr(body)
    assert "1372015203880001" not in repr(body)


def test_an_unset_message_time_or_text_is_null() -> None:
    response = to_model(models.Member, people_pb2.Member(name="Siti"), is_blocked=False).model_dump()
    names = ("guardian", "responsible", "contact", "registered_at", "note", "birth_year")
    assert {response[name] for name in names} == {None}
    assert (response["name"], response["blocks"]) == ("Siti", [])
    assert response["category_name"] == {"id": "", "en": ""}


def test_a_list_has_its_own_name_and_its_total() -> None:
    at = Timestamp(seconds=1_764_126_720)
    reply = requests_pb2.ListDataRequestsReply(requests=[{"id": "7", "received_at": at, "kind": "a_newer_kind"}])
    response = to_model(models.DataRequests, reply).model_dump()
    assert (response["total"], response["total_is_capped"], len(response["hits"])) == (1, False, 1)
    assert response["hits"][0]["received_at"] == "2025-11-26T03:12:00Z"
    assert response["hits"][0]["kind"] == "a_newer_kind"
    assert to_model(models.FoundMembers, people_pb2.SearchMembersReply()).model_dump()["next"] is None


def test_an_example_has_the_examples_of_its_properties() -> None:
    example = example_of(models.Categories)
    assert example["total"] == len(example["hits"]) == 1
    assert example["hits"][0]["kind"] in choices(people_pb2.Category, "kind")
    models.Categories.model_validate(example)


@pytest.mark.parametrize(
    ("comment", "error"), [("// A sample.", ""), ("", "rangkiang.sample.v1.Sample has no comment")]
)
def test_every_schema_is_described(comment: str, error: str, tmp_path: Path) -> None:
    (tmp_path / "sample.proto").write_text(DECLARED.format(comment=comment))
    plugin = f"--plugin=protoc-gen-models={CHECKOUT}/proto/protoc-gen-models"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{CHECKOUT}/proto", f"-I{tmp_path}", plugin,
               f"--models_out={tmp_path}", "sample.proto"]  # fmt: skip
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert error in done.stderr
    assert (done.returncode == 0) == (not error), done.stderr
