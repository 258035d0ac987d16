"""The form of a request that is tried from the endpoint's page."""

from __future__ import annotations

from django import forms

from endpoints.forms.fields import ruled
from endpoints.models import Endpoint
from endpoints.snippets import example_of
from endpoints.trying import asked
from templates_app.rules import METHODS


class TryForm(forms.Form):
    """`body` is text; GET and HEAD are sent without it."""

    method = forms.ChoiceField(
        choices=[(method, method) for method in METHODS],
        error_messages={
            "required": "Choose the method.",
            "invalid_choice": "Choose one of the methods.",
        },
    )
    path = forms.CharField(
        error_messages={"required": 'Enter the path, such as "/".'},
    )
    headers = forms.CharField(required=False, strip=False)
    body = forms.CharField(required=False, strip=False)

    def clean_path(self) -> str:
        path: str = ruled(asked.path_problem, self.cleaned_data["path"])
        return path

    def clean_headers(self) -> str:
        headers: str = ruled(asked.headers_problem, self.cleaned_data["headers"])
        return headers

    def clean_body(self) -> str:
        # A textarea posts CR LF whatever was typed.
        body = self.cleaned_data["body"].replace("\r\n", "\n")
        text: str = ruled(asked.body_problem, body)
        return text

    @property
    def problems(self) -> dict[str, str]:
        """The first sentence for each field."""
        return {field: str(errors[0]) for field, errors in self.errors.items()}

    def asked(self) -> asked.Asked:
        """What was typed. Only for a form that is valid."""
        return asked.read(**self.cleaned_data)


def form_for(endpoint: Endpoint) -> TryForm:
    """Filled in with what the endpoint's template says to ask first."""
    example = example_of(endpoint.container)
    return TryForm(
        initial={
            "method": example.method,
            "path": example.path,
            "body": asked.set_out(example.body),
        }
    )
