"""CDK, osls and serverless as their users start them: as npm has them, with nothing but the environment set."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

from world import BINARY, DEPS, REGION

ACCOUNT = "000000000000"
TOOLS = {"cdk": "cdk", "cdk-2.178": "cdk", "osls": "osls", "serverless": "serverless"}  # folder of .deps/deploy -> command


def is_installed(tool):
    return (DEPS / "deploy" / tool / "installed.json").exists()


class Failed(AssertionError):
    """A tool that ended with an error. `output` is what it printed."""

    def __init__(self, command, status, output):
        super().__init__(f"{' '.join(command)}: exit {status}\n{output[-6000:]}")
        self.status, self.output = status, output


class Project:
    """A copy of a project's folder, with the packages of one tool beside it, deployed to one server."""

    def __init__(self, server, tool, folder, copy, hook=False):
        self.server, self.tool, self.folder = server, tool, pathlib.Path(copy)
        shutil.copytree(folder, self.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("cdk.out", ".serverless"))
        modules = self.folder / "node_modules"
        if not modules.exists():
            modules.symlink_to((DEPS / "deploy" / tool / "node_modules").resolve())
        if not (self.folder / "package.json").exists():
            (self.folder / "package.json").write_text('{"private": true}')
        (self.folder / "package-lock.json").write_text("{}")  # NodejsFunction looks for one
        self.home = self.folder.parent / "home"
        self.home.mkdir(exist_ok=True)
        self.hook = hook
        self.seconds = 0.0

    def environment(self):
        node = sorted(DEPS.glob("node-*/node_modules/node/bin"))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "NODE_", "MILLRACE_"))}
        found = {
            **inherited,
            "AWS_ENDPOINT_URL": self.server.endpoint, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": str(self.home), "CI": "true", "NO_COLOR": "1", "PATH": ":".join([*map(str, node), os.environ["PATH"]]),
            # Nothing is asked of or told to the world, and osls looks at a stack five times a second.
            "CDK_DISABLE_CLI_TELEMETRY": "true", "SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off",
            "npm_config_update_notifier": "false", "SLS_AWS_MONITORING_FREQUENCY": "200",
        }
        if self.hook:
            path = subprocess.run([str(BINARY), "hook", str(self.home / "hook.cjs")], capture_output=True, text=True, check=True).stdout.strip()
            found["NODE_OPTIONS"] = f"--require {path}"
        return found

    def command(self, *arguments):
        command = [str(self.folder / "node_modules/.bin" / TOOLS[self.tool]), *map(str, arguments)]
        return [*command, "--no-notices"] if TOOLS[self.tool] == "cdk" else command

    def start(self, *arguments):
        """The tool in the background; its output is to be read from the process."""
        return subprocess.Popen(self.command(*arguments), cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)

    def run(self, *arguments, check=True, limit=300):
        """Runs the tool to its end and returns what it printed; `seconds` says how long that took."""
        started = time.monotonic()
        command = self.command(*arguments)
        done = subprocess.run(command, cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=limit, check=False)
        self.seconds = time.monotonic() - started
        if os.environ.get("MILLRACE_SHOW_TOOLS"):
            print(f"$ {' '.join(arguments and map(str, arguments))}   # {self.seconds:.2f} s, exit {done.returncode}\n{done.stdout}", flush=True)
        if check and done.returncode != 0:
            raise Failed(command, done.returncode, done.stdout)
        if not check:
            return done.returncode, done.stdout
        return done.stdout

    def deploy(self, *arguments, **options):
        """`cdk deploy` without questions."""
        return self.run("deploy", "--require-approval", "never", *arguments, **options)


def outputs(server, stack):
    found = server.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}


def status(server, stack):
    return server.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]


def resources(server, stack):
    """Physical ids of a stack's resources by logical id."""
    found = server.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    return {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in found}


def mapping_of(server, function):
    """The one mapping that a deployment made for a function."""
    (mapping,) = server.client("lambda").list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    return mapping["UUID"]


def report(report, project, stacks, shown):
    """What a deployment took, told and verified."""
    statuses = {name: status(project.server, name) for name in stacks}
    itself = re.search(r"Deployment time: ([0-9.]+)s|\((\d+)s\)", shown)
    of_it = f", {itself.group(1) or itself.group(2)} s of them for the last stack" if itself else ""
    report.line(project.tool, f"{', '.join(stacks)} in {project.seconds:.1f} s{of_it}")
    report.verify(all(each in ("CREATE_COMPLETE", "UPDATE_COMPLETE") for each in statuses.values()), f"{project.tool} deployed it unmodified", str(statuses))


def remove(project):
    """Takes the deployed stacks away again; False when one stays."""
    project.run(*(["destroy", "--all", "--force", "--app", "cdk.out"] if TOOLS[project.tool] == "cdk" else ["remove"]))
    left = [each["StackName"] for each in project.server.client("cloudformation").describe_stacks()["Stacks"]]
    print(f"   removed        {'everything' if not left else 'all but ' + ', '.join(left)} in {project.seconds:.1f} s", flush=True)
    return not left


def synthesised(project, stack):
    return json.loads((project.folder / "cdk.out" / f"{stack}.template.json").read_text())
