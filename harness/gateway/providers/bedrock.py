"""Models of Amazon Bedrock. boto3 finds the credentials and signs each request; they are never recorded."""

from __future__ import annotations

import os

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from pydantic_ai.models import Model
from pydantic_ai.models.bedrock import BedrockConverseModel
from pydantic_ai.providers.bedrock import BedrockProvider

from harness.errors import ConfigurationError
from harness.gateway.providers.pydantic_ai_models import ANY_MODEL, LibraryModel, Vendor, values_of

CONNECTIONS = 100
"""Calls that one client may have open: more wait in its queue, where they look slow."""


def make_bedrock(model: str, base_url: str | None) -> LibraryModel:
    """A model of Amazon Bedrock's Converse API. Raises `ConfigurationError` without a region or credentials."""
    spec = f"bedrock:{model}"
    sign_in = (
        "the AWS credentials: AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_BEARER_TOKEN_BEDROCK, or `aws sso login`"
    )
    try:
        session = boto3.Session(
            region_name=os.environ.get("AWS_REGION")
        )  # boto3 reads AWS_DEFAULT_REGION alone
        region, found = session.region_name, session.get_credentials()
        place = base_url or f"https://bedrock-runtime.{region}.amazonaws.com"
    except BotoCoreError as error:
        raise ConfigurationError(f"Model {spec!r}: {error}") from None
    if not region:
        raise ConfigurationError(
            f"Model {spec!r}: no AWS region; expected one in AWS_REGION, AWS_DEFAULT_REGION or the profile."
        )
    if found is None and not os.environ.get("AWS_BEARER_TOKEN_BEDROCK"):
        raise ConfigurationError(f"Model {spec!r}: no AWS credentials were found; expected {sign_in}.")

    def make(timeout: float, connect_timeout: float) -> Model:
        config = Config(
            read_timeout=timeout,
            connect_timeout=connect_timeout,
            retries={"total_max_attempts": 1},
            max_pool_connections=CONNECTIONS,
        )
        client = session.client("bedrock-runtime", config=config, endpoint_url=base_url)
        return BedrockConverseModel(model, provider=BedrockProvider(bedrock_client=client))

    secrets = values_of(
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"
    )
    fields = ANY_MODEL | {"reasoning_effort", "top_k"}
    return LibraryModel(Vendor("bedrock", place, sign_in, make, fields, secrets=secrets), model)
