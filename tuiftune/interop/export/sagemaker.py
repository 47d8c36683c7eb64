"""A CreateTrainingJob request of Amazon SageMaker that runs TRL in a Hugging Face training container."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tuiftune.interop.export import rows, trl
from tuiftune.interop.export.outward import Files
from tuiftune.interop.export.tool import Tool, yaml

if TYPE_CHECKING:
    from tuiftune.interop.export.outward import Outward

FILE = "sagemaker.json"
CHANNEL = "/opt/ml/input/data"


def write(out: Outward) -> None:
    """Fill in TRL's document, with the paths that the container has."""
    made = out.files or Files("train.jsonl")
    out.files = Files(f"{CHANNEL}/training/{made.train}")
    trl.write(out)
    out.files = made
    out.put("output_dir", "/opt/ml/model")


def request(out: Outward) -> str:
    """The request. What only the user knows stands in capitals."""
    channels = ("training", "config")
    name = "".join(sign if sign.isalnum() else "-" for sign in out.preset.name).strip("-")[:63]
    document = {
        "TrainingJobName": name or "run",
        "RoleArn": "arn:aws:iam::ACCOUNT:role/ROLE",
        "AlgorithmSpecification": {
            "TrainingImage": "ACCOUNT.dkr.ecr.REGION.amazonaws.com/huggingface-pytorch-training:TAG",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/bash", "-c"],
            "ContainerArguments": [
                f"pip install -q 'trl[peft]' && trl sft --config {CHANNEL}/config/{trl.FILE}"
            ],
        },
        "InputDataConfig": [
            {
                "ChannelName": channel,
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://BUCKET/{channel}/",
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
            for channel in channels
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://BUCKET/output/"},
        "ResourceConfig": {"InstanceType": "ml.g6.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 200},
        "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
    }
    return json.dumps(document, indent=2) + "\n"


def command(out: Outward) -> str:
    """Upload, then ask for the job."""
    copies = [f"aws s3 cp {path} s3://BUCKET/training/" for path in rows.written(out)[:1]]
    copies.append(f"aws s3 cp {trl.FILE} s3://BUCKET/config/")
    return " && ".join([*copies, f"aws sagemaker create-training-job --cli-input-json file://{FILE}"])


TOOL = Tool(
    key="sagemaker",
    name="SageMaker",
    order=80,
    write=write,
    texts=lambda out: {FILE: request(out), trl.FILE: yaml(out.document)},
    command=command,
    service="CreateTrainingJob of SageMaker 2017-07-24, as botocore 1.44.8 has it, read on 29 November 2026",
)
