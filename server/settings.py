"""What the environment says about who may talk to the server."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServerSettings(BaseSettings):
    """Settings of the HTTP app, read from the environment when an instance is made."""

    model_config = SettingsConfigDict(populate_by_name=True, env_ignore_empty=True, extra="ignore")

    #: Origins of web pages that may use the API, separated by commas, beside Studio and pages
    #: served from this machine.
    cors_origins: str = Field(default="", validation_alias="TASK_AGENT_CORS_ORIGINS")

    @property
    def origins(self) -> list[str]:
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]
