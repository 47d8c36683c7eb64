"""A chat template compiled in a sandbox, with what transformers' own environment offers."""

from __future__ import annotations

import json
from contextvars import ContextVar
from datetime import datetime, time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from tuiftune.errors import UserError
from tuiftune.fence.marks import Stage, at

if TYPE_CHECKING:
    import jinja2
    from jinja2.parser import Parser

# Private-use characters around what `{% generation %}` renders; taken out again after rendering.
BEGIN, END = "\ue0f0\ue0f1", "\ue0f1\ue0f0"

DATED = "strftime_now"  # what a template that writes the date calls

marking: ContextVar[bool] = ContextVar("marking", default=False)
clock: ContextVar[datetime | None] = ContextVar("clock", default=None)


class _Generation(Extension):
    """`{% generation %}` … `{% endgeneration %}`: the assistant's own tokens."""

    tags = {"generation"}  # noqa: RUF012 - the name and kind jinja2 asks for

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_marked"), [], [], body).set_lineno(line)

    def _marked(self, caller: Any) -> str:
        return f"{BEGIN}{caller()}{END}" if marking.get() else str(caller())


class _Dict:
    def __call__(self, *given: Any, **named: Any) -> dict[Any, Any]:
        return dict(*given, **named)

    def fromkeys(self, *given: Any) -> dict[Any, Any]:
        return dict.fromkeys(*given)


class _Namespace(Namespace):
    """No name with an underscore in front, which would reach into Python."""

    def __init__(*args: Any, **named: Any) -> None:
        self, given = args[0], args[1:]
        values = dict(*given, **named)
        for name in values:
            _Namespace._check(name)
        Namespace.__init__(self, values)

    def __setitem__(self, name: str, value: Any) -> None:
        _Namespace._check(name)
        Namespace.__setitem__(self, name, value)

    @staticmethod
    def _check(name: object) -> None:
        if isinstance(name, str) and name.startswith("_"):
            raise SecurityError(f"a namespace cannot contain {name!r}")


def _raise(message: str) -> None:
    raise TemplateError(message)


def _random(*_: Any, **__: Any) -> None:
    raise TemplateError("it uses random numbers, so the same row would differ each time")


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: Any = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _now(form: str) -> str:
    """The date. TemplateError for a time of day, which no two renderings share."""
    moment = clock.get() or datetime.now()
    if datetime.combine(moment, time.min).strftime(form) != datetime.combine(moment, time.max).strftime(form):
        raise TemplateError("it writes the current time, so the same row would differ each time")
    return moment.strftime(form)


class _Environment(ImmutableSandboxedEnvironment):
    def getattr(self, obj: Any, attribute: str) -> Any:
        """As the library's, without an exception for each `message.role`."""
        if type(obj) is dict and attribute in obj and not hasattr(dict, attribute):
            return obj[attribute]
        return super().getattr(obj, attribute)


@lru_cache(maxsize=16)
def _compiled(source: str) -> jinja2.Template:
    environment = _Environment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters |= {"tojson": _tojson, "random": _random}
    environment.globals |= {
        "raise_exception": _raise,
        DATED: _now,
        "dict": _Dict(),
        "namespace": _Namespace,
        "lipsum": _random,
    }
    made = environment.from_string(source)
    made.globals = dict(made.globals)  # of a ChainMap every rendering would ask for each name in Python
    return made


def compile_template(source: str, place: str) -> jinja2.Template:
    """The template, ready to render. UserError when it doesn't compile."""
    at(Stage.TEMPLATE)
    try:
        return _compiled(source)
    except TemplateError as fault:
        raise UserError(
            f"the chat template does not compile: {str(fault).splitlines()[0]}",
            place=place,
            remedy="use the template that came with the model",
        ) from None
