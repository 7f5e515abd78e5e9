"""What CDK and osls make of the projects in examples/, checked in, and the change sets that must come of it.

The templates were written by `cdk synth` (aws-cdk-lib 2.276.0) and `osls package` (4.3.1). MILLRACE_WRITE_EXPECTED=1 writes expected.json anew."""
import json
import os
import pathlib

import pytest

from world import wait_until

HERE = pathlib.Path(__file__).resolve().parent / "templates"
CAPABILITIES = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
PARAMETERS = {"SearchFollowing": [{"ParameterKey": "SearchEndpoint", "ParameterValue": "http://127.0.0.1:9200"}]}


def text_of(name):
    return json.dumps(json.loads((HERE / f"{name}.json").read_text()))  # without the spaces: below the limit of a TemplateBody


def changes_of(cloudformation, stack, name, kind):
    made = cloudformation.create_change_set(StackName=stack, ChangeSetName="planned", ChangeSetType=kind, TemplateBody=text_of(name),
                                            Capabilities=CAPABILITIES, Parameters=PARAMETERS.get(name, []))
    shown = cloudformation.describe_change_set(ChangeSetName=made["Id"])
    assert shown["Status"] == "CREATE_COMPLETE", shown.get("StatusReason")
    changes = [each["ResourceChange"] for each in shown["Changes"]]
    return sorted([each["Action"], each["LogicalResourceId"], each["ResourceType"],
                   *([each["Replacement"], *sorted(detail["Target"]["Name"] for detail in each["Details"])] if each["Action"] == "Modify" else [])]
                  for each in changes)


def expect(key, changes):
    path = HERE / "expected.json"
    expected = json.loads(path.read_text()) if path.exists() else {}
    if os.environ.get("MILLRACE_WRITE_EXPECTED"):
        expected[key] = changes
        path.write_text("{\n" + ",\n".join(f' "{name}": [\n' + ",\n".join("  " + json.dumps(each) for each in lines) + "\n ]"
                                          for name, lines in sorted(expected.items())) + "\n}\n")
    assert changes == expected[key]


@pytest.mark.parametrize("name", ["CleanupSingle", "CleanupBatched", "Archive", "Search", "SearchFollowing", "Files"])
def test_a_first_deployment_adds_what_the_template_has(server, unique, name):
    changes = changes_of(server.client("cloudformation"), unique, name, "CREATE")
    expect(name, changes)
    assert [each[1] for each in changes] == sorted(json.loads(text_of(name))["Resources"])


def test_the_second_deployment_of_search_gives_the_table_its_stream(server, unique):
    cloudformation = server.client("cloudformation")
    cloudformation.create_stack(StackName=unique, TemplateBody=text_of("Search"), Capabilities=CAPABILITIES)
    wait_until(lambda: cloudformation.describe_stacks(StackName=unique)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE", "the first deployment")
    expect("Search to SearchFollowing", changes_of(cloudformation, unique, "SearchFollowing", "UPDATE"))
