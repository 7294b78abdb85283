"""Models of Google Cloud's Vertex AI, with Google's default credentials, which are never recorded."""

from __future__ import annotations

import os

import google.auth
from google.auth.exceptions import GoogleAuthError
from pydantic_ai.models import Model
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.providers.google_cloud import GoogleCloudProvider

from harness.errors import ConfigurationError
from harness.gateway.providers.pydantic_ai_models import ANY_MODEL, LibraryModel, Vendor


def make_vertex(model: str, base_url: str | None) -> LibraryModel:
    """A model of Google Cloud's Vertex AI. Raises `ConfigurationError` without credentials or a project."""
    spec = f"vertex:{model}"
    sign_in = "Google's default credentials: GOOGLE_APPLICATION_CREDENTIALS or `gcloud auth application-default login`"
    location = os.environ.get("GOOGLE_CLOUD_LOCATION") or "us-central1"
    try:
        credentials, named = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    except GoogleAuthError:
        raise ConfigurationError(
            f"Model {spec!r}: no Google Cloud credentials were found; expected {sign_in}."
        ) from None
    project = os.environ.get("GOOGLE_CLOUD_PROJECT") or named
    if not project:
        raise ConfigurationError(
            f"Model {spec!r}: no Google Cloud project; expected its id in GOOGLE_CLOUD_PROJECT."
        )

    def make(_timeout: float, _connect_timeout: float) -> Model:
        provider = GoogleCloudProvider(
            credentials=credentials, project=project, location=location, base_url=base_url
        )
        return GoogleModel(model, provider=provider)

    place = base_url or f"https://{_host(location)}"
    fields = ANY_MODEL | {"frequency_penalty", "presence_penalty", "reasoning_effort", "seed", "top_k"}
    return LibraryModel(Vendor("vertex", place, sign_in, make, fields), model)


def _host(location: str) -> str:
    """The server of a location: one of all regions, of the regions of a continent, or of one region."""
    if location == "global":
        return "aiplatform.googleapis.com"
    if location in ("eu", "us"):
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"
