"""What the environment says about the model and the limits of a run."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from .locales import known_locale
from .zones import known_zone

#: Which calls of tools wait for a person's approval: none, those that destroy something, or all
#: that may change something.
Approval = Literal["off", "deletes", "writes"]

#: The model for whoever has a key and names no model.
DEFAULT_MODEL = "gpt-4.1-mini"


class AgentSettings(BaseSettings):
    """Settings of the agent, read from the environment when an instance is made."""

    model_config = SettingsConfigDict(
        populate_by_name=True, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    openai_api_key: SecretStr | None = None
    #: An OpenAI-compatible server to use in place of OpenAI's; it may need no key.
    openai_base_url: str | None = None
    #: The model of runs that name none; `offline` for the offline model.
    model: str | None = Field(default=None, validation_alias="TASK_AGENT_MODEL")
    #: The zone of runs that name none; the machine's own when unset.
    time_zone: Annotated[str | None, AfterValidator(lambda name: name and known_zone(name))] = (
        Field(default=None, validation_alias="TASK_AGENT_TIME_ZONE")
    )
    #: The locale that dates are written in, in runs that name none.
    locale: Annotated[str | None, AfterValidator(lambda name: name and known_locale(name))] = Field(
        default=None, validation_alias="TASK_AGENT_LOCALE"
    )
    #: Most graph steps in one run: a step calls the model, or runs the tools it asked for.
    step_limit: int = Field(default=50, ge=3, validation_alias="TASK_AGENT_STEP_LIMIT")
    #: Seconds that one answer of the model may take.
    model_timeout: float = Field(default=120, gt=0, validation_alias="TASK_AGENT_MODEL_TIMEOUT")
    #: Seconds that one tool call may take.
    tool_timeout: float = Field(default=30, gt=0, validation_alias="TASK_AGENT_TOOL_TIMEOUT")

    #: Most characters of one result of another MCP server's tool.
    result_limit: int = Field(default=100_000, gt=0, validation_alias="TASK_AGENT_RESULT_LIMIT")
    #: Most MiB of the images in it.
    image_limit: float = Field(default=5, ge=0, validation_alias="TASK_AGENT_IMAGE_LIMIT")

    #: Which tool calls wait for a person's approval, in runs that don't say.
    approval: Approval = Field(default="deletes", validation_alias="TASK_AGENT_APPROVAL")
    #: Names of further tools whose calls wait unless approval is off, separated by commas.
    approval_tools: str = Field(default="", validation_alias="TASK_AGENT_APPROVAL_TOOLS")

    @property
    def tools_to_approve(self) -> frozenset[str]:
        """The names in `approval_tools`."""
        return frozenset(filter(None, map(str.strip, self.approval_tools.split(","))))

    @property
    def has_provider(self) -> bool:
        """Whether there is anywhere to send a request for a model."""
        return self.openai_api_key is not None or self.openai_base_url is not None
