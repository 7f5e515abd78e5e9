"""./x demo: the four reference pipelines on real input, against one server. `--help` tells the options."""
import argparse
import os
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import archive
import cleanup
import deploy
import files
import search
from world import BINARY, Server

PIPELINES = {"cleanup": cleanup.run, "archive": archive.run, "files": files.run, "search": search.run}
TOOLS = {"cleanup": "cdk", "archive": "cdk", "files": "osls", "search": "cdk"}
EXAMPLES = pathlib.Path(__file__).resolve().parent.parent


def explore(server):
    print(f"""
The server is still running at {server.endpoint} (data in {server.data}, process {server.process.pid}). Try:

  export AWS_ENDPOINT_URL={server.endpoint} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1
  aws dynamodb list-tables
  aws s3 ls s3://log-archive/logs/
  aws logs tail /aws/lambda/files --since 1d

  export MILLRACE_ENDPOINT={server.endpoint}
  {BINARY} status
  {BINARY} mappings ls
  {BINARY} streams tail requests

Stop it with: kill {server.process.pid}; rm -r {server.data}""")


def main():
    parser = argparse.ArgumentParser(prog="./x demo", description="Runs the four reference pipelines on real input and verifies them.")
    parser.add_argument("--pipeline", choices=list(PIPELINES), help="run only this one")
    parser.add_argument("--deploy", action="store_true", help="let each pipeline's own tool (CDK, osls) deploy it, then run and verify it; removes it afterwards")
    parser.add_argument("--keep", action="store_true", help="leave the server running and print commands to explore it with")
    parser.add_argument("--engine", choices=["opensearch", "elasticsearch"], default="opensearch", help="of the search pipeline")
    arguments = parser.parse_args()
    started = time.monotonic()
    server = Server(config={"functions": {"async_payload_bytes": 256 * 1024}}).start()
    copies = tempfile.TemporaryDirectory(prefix="millrace-demo-") if arguments.deploy else None
    good = True
    try:
        print(f"millrace at {server.endpoint}")
        for name, run in PIPELINES.items():
            if arguments.pipeline in (None, name):
                options = {"kind": arguments.engine} if name == "search" else {}
                if copies:
                    options["project"] = deploy.Project(server, TOOLS[name], EXAMPLES / name, pathlib.Path(copies.name) / name)
                good = run(server, **options) and good
                if copies and not arguments.keep:
                    good = deploy.remove(options["project"]) and good
        print(f"\n{'all verifications passed' if good else 'SOME VERIFICATIONS FAILED'}, {time.monotonic() - started:.0f} s")
        if arguments.keep:
            explore(server)
    finally:
        if copies:
            copies.cleanup()
        if not arguments.keep or sys.exc_info()[0] is not None:
            server.close()
    return 0 if good else 1


if __name__ == "__main__":
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.exit(main())
