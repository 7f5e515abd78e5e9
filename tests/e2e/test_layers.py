"""Layers: published, listed, laid over each other under /opt, and kept for the functions that use them."""
import io
import json
import urllib.request
import zipfile

import pytest

from test_functions import invoke, zip_of_files

NODE = """const fs = require('fs');
exports.handler = async () => ({module: require('shared').name, opt: fs.readFileSync('/opt/word', 'utf8')});"""
PYTHON = "import shared\ndef handler(event, context):\n    return shared.NAME\n"


@pytest.fixture
def publish(server, unique):
    def make(name, files):
        return server.client("lambda").publish_layer_version(LayerName=f"{unique}-{name}", Content={"ZipFile": zip_of_files(files)})
    return make


def test_later_layers_lie_over_earlier_ones(server, unique, publish):
    one = publish("one", {"nodejs/node_modules/shared/index.js": "exports.name = 'one';", "word": "first"})
    two = publish("two", {"word": "second"})
    server.function(unique, zip_of_files({"index.js": NODE}), runtime="nodejs20.x", Layers=[one["LayerVersionArn"], two["LayerVersionArn"]])
    isolated = "bubblewrap" in server.admin(f"/functions/{unique}")["isolation"].split(",")[0] and "no bubblewrap" not in server.admin(f"/functions/{unique}")["isolation"]
    if not isolated:
        pytest.skip("without bubblewrap layers are elsewhere than in /opt")
    assert invoke(server, unique)[1] == {"module": "one", "opt": "second"}
    server.client("lambda").update_function_configuration(FunctionName=unique, Layers=[two["LayerVersionArn"], one["LayerVersionArn"]])
    assert invoke(server, unique)[1] == {"module": "one", "opt": "first"}


def test_python_finds_its_packages(server, unique, publish):
    layer = publish("python", {"python/shared.py": "NAME = 'layer'"})
    server.function(unique, zip_of_files({"index.py": PYTHON}), runtime="python3.11", Layers=[layer["LayerVersionArn"]])
    assert invoke(server, unique)[1] == "layer"
    shown = server.client("lambda").get_function_configuration(FunctionName=unique)["Layers"]
    assert shown == [{"Arn": layer["LayerVersionArn"], "CodeSize": layer["Content"]["CodeSize"]}]
    with zipfile.ZipFile(io.BytesIO(urllib.request.urlopen(layer["Content"]["Location"]).read())) as archive:
        assert archive.namelist() == ["python/shared.py"]


def test_a_deleted_version_stays_for_its_users_over_a_restart(own_server, unique):
    client = own_server.client("lambda")
    layer = client.publish_layer_version(LayerName=unique, Content={"ZipFile": zip_of_files({"python/shared.py": "NAME = 'kept'"})})
    own_server.function(unique, zip_of_files({"index.py": PYTHON}), runtime="python3.11", Layers=[layer["LayerVersionArn"]])
    client.delete_layer_version(LayerName=unique, VersionNumber=1)
    own_server.kill()
    own_server.start()
    client = own_server.client("lambda")
    assert json.loads(client.invoke(FunctionName=unique)["Payload"].read()) == "kept"
    assert client.list_layers()["Layers"] == []
    again = client.publish_layer_version(LayerName=unique, Content={"ZipFile": zip_of_files({"a": "b"})})
    assert again["Version"] == 2  # numbers are never used again
    assert client.get_layer_version_by_arn(Arn=again["LayerVersionArn"])["Version"] == 2
    assert client.list_layers()["Layers"][0]["LatestMatchingVersion"]["Version"] == 2
