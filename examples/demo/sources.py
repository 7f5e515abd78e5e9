"""Real input: the package database gives posts, the package manager's logs and the Debian changelogs give log items."""
import collections
import datetime
import email.utils
import glob
import gzip
import itertools
import re
import subprocess
import zlib

POSTS_FROM_STATUS_MIN = 2000
ITEMS_PER_MODULE_MAX = 150
LEVELS = {"low": "DEBUG", "medium": "INFO", "high": "WARN", "critical": "ERROR", "emergency": "ERROR"}


def stanzas(text):
    """The paragraphs of a Debian control file as dictionaries; continuation lines keep their newlines."""
    fields = {}
    name = None
    for line in itertools.chain(text.splitlines(), [""]):
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, None
        elif line[0] in " \t":
            if name:
                fields[name] += "\n" + line
        elif ":" in line:
            name, value = line.split(":", 1)
            fields[name] = value.strip()


def blocks(description):
    """A package description as typed blocks: paragraphs, lists, links."""
    result = []
    paragraph, items = [], []

    def close():
        if paragraph:
            text = " ".join(paragraph)
            result.append({"type": "paragraph", "text": text})
            result.extend({"type": "link", "href": link} for link in re.findall(r"https?://[^\s<>\"')]+", text))
            paragraph.clear()
        if items:
            result.append({"type": "list", "items": list(items)})
            items.clear()

    for line in description.split("\n")[1:]:
        body = line[1:] if line.startswith(" ") else line
        bullet = re.match(r"^\s*[*o+-]\s+(.*)", body)
        if body.strip() in (".", ""):
            close()
        elif bullet:
            if paragraph:
                close()
            items.append(bullet.group(1))
        elif items and body.startswith("  "):
            items[-1] += " " + body.strip()
        else:
            if items:
                close()
            paragraph.append(body.strip())
    close()
    return result


def apt_lists():
    """The packages that apt knows of, whatever the lists are compressed with."""
    lists = sorted(glob.glob("/var/lib/apt/lists/*_Packages*"))
    if not lists:
        return
    with subprocess.Popen(["/usr/lib/apt/apt-helper", "cat-file", *lists], stdout=subprocess.PIPE, text=True, errors="replace") as cat:
        paragraph = []
        for line in cat.stdout:
            if line.strip():
                paragraph.append(line)
                continue
            for fields in stanzas("".join(paragraph)):
                yield fields
            paragraph = []
        cat.stdout.close()
        cat.terminate()


def posts(limit=None):
    """One package = one post: {postId, title, section, author, version, blocks}."""
    with open("/var/lib/dpkg/status", encoding="utf-8", errors="replace") as file:
        packages = list(stanzas(file.read()))
    if len(packages) < POSTS_FROM_STATUS_MIN:
        packages = itertools.chain(packages, apt_lists())
    seen = set()
    result = []
    for package in packages:
        name = package.get("Package")
        if not name or name in seen or not package.get("Description"):
            continue
        seen.add(name)
        post = {
            "postId": name,
            "title": package["Description"].split("\n")[0],
            "section": package.get("Section", "misc"),
            "author": package.get("Maintainer", "nobody"),
            "version": package.get("Version", "0"),
            "blocks": blocks(package["Description"]) or [{"type": "paragraph", "text": package["Description"].split("\n")[0]}],
        }
        for field in ("Depends", "Tag"):  # real lists of every length
            if field in package:
                post["blocks"].append({"type": "list", "title": field, "items": [entry.strip() for entry in package[field].split(",")]})
        if "Homepage" in package:
            post["blocks"].append({"type": "link", "href": package["Homepage"]})
        result.append(post)
        if limit and len(result) == limit:
            break
    return result


def dpkg_log():
    for path in sorted(glob.glob("/var/log/dpkg.log*")):
        opener = gzip.open if path.endswith(".gz") else open
        with opener(path, "rt", encoding="utf-8", errors="replace") as file:
            for line in file:
                match = re.match(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (\S+) (.*)", line)
                if match:
                    time = datetime.datetime.fromisoformat(match.group(1)).replace(tzinfo=datetime.timezone.utc)
                    level = "WARN" if "half-" in line else "INFO" if match.group(2) in ("install", "upgrade", "remove") else "DEBUG"
                    yield time, level, "dpkg", f"{match.group(2)} {match.group(3)}"


def changelogs():
    for path in sorted(glob.glob("/usr/share/doc/*/changelog*.gz")):
        try:
            with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
                text = file.read(400_000)
        except OSError:
            continue
        module, level, messages = None, None, []
        for line in text.splitlines():
            head = re.match(r"^(\S+) \([^)]+\).*urgency=(\w+)", line)
            if head:
                module, level, messages = head.group(1), LEVELS.get(head.group(2).lower(), "INFO"), []
            elif module and re.match(r"^  +[*+-] ", line):
                messages.append(line.strip()[2:])
            elif module and messages and line.startswith("    "):
                messages[-1] += " " + line.strip()
            elif module and line.startswith(" -- "):
                date = email.utils.parsedate_to_datetime(line.split("  ", 1)[-1]) if "  " in line else None
                if date is not None:
                    for message in messages:
                        yield date, level, module, message
                module = None


def log_items(limit=None):
    """Log items {systemId (int), timestamp (ms, unique per system), level, module, message, day}, newest information first."""
    result = []
    used = set()
    per_module = collections.Counter()
    for time, level, module, message in itertools.chain(itertools.islice(dpkg_log(), (limit or 0) // 3 or None), changelogs()):
        per_module[module] += 1
        if module != "dpkg" and per_module[module] > ITEMS_PER_MODULE_MAX:
            continue
        system = zlib.crc32(module.encode()) % 100
        try:
            timestamp = int(time.timestamp() * 1000)
        except (OverflowError, ValueError):
            continue
        while (system, timestamp) in used:
            timestamp += 1
        used.add((system, timestamp))
        day = datetime.datetime.fromtimestamp(timestamp / 1000, datetime.timezone.utc).strftime("%Y-%m-%d")
        result.append({"systemId": system, "timestamp": timestamp, "level": level, "module": module, "message": message, "day": day})
        if limit and len(result) == limit:
            break
    return result


if __name__ == "__main__":
    some, logs = posts(), log_items()
    print(len(some), "posts,", sum(len(post["blocks"]) for post in some), "blocks;", len(logs), "log items")
