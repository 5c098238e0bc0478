"""Remove passwords, keys and signatures from locations and texts before they are displayed or stored."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import xarray as xr

HIDDEN = "***"
# pathlib turns https:// into https:/
_SCHEME = r"(?:[A-Za-z][A-Za-z0-9+.-]{0,30}://|(?:https?|s?ftp|s3a?|gs|gcs|abfss?|wasbs?|az):/)"
# Azure puts a container where others have a user
_USER = re.compile(
    rf"(?<![A-Za-z0-9+.-])(?!(?:abfss?|wasbs?|az)://[^\s/?#:@]*@)({_SCHEME})(?:[^\s/?#'\"<>]{{0,1000}}|[^\s/?#@:'\"<>]{{0,300}}:[^\s'\"<>]{{0,1000}})@"
)
_VSI_USER = re.compile(r"(/vsi[a-z0-9_]+/)[^\s/'\"<>]{0,500}(?::[^\s'\"<>]{0,500})?@")
# remainder of s3://KEY:SECRET@bucket in messages without protocol
_BARE_USER = re.compile(r"(?<![\w/*])[^\s/'\"@:,;=()\[\]{}<>]{1,200}:(?!//)[^\s'\"@,;()<>]{1,500}@(?=[\w.-])")
_END = r"(?=[),.;:\]]{0,5}(?:[\s'\"<>]|$))"
_QUERY = re.compile(rf"((?:https?:/{{1,2}}|/vsicurl)[^\s?#'\"<>]{{0,1000}})([?#])[^\s'\"<>]*?{_END}", re.IGNORECASE)
_NAMED_QUERY = re.compile(rf"((?:{_SCHEME}[^\s?'\"<>]{{0,1000}}|\.\w{{1,8}}))\?[^\s'\"<>]*=[^\s'\"<>]*?{_END}")
_SUFFIX = re.compile(r"(['\"]\.\w{1,8}[?#])[^\s'\"<>]+")
_NAMES = (
    r"[\w.-]{0,40}(?:password|passwd|token|secret|signature|credentials?|api_?key|access_?key(?:_?id)?|account_?key"
    r"|secret_?key|key-pair-id|connection_?string|authorization|x-amz-security\w{0,20})|(?<![A-Za-z])(?:sig|pwd|sas)"
)
_PAIR = re.compile(rf"((?:{_NAMES})(?:=|%3D))[^\s\"'&,;)}}\]<>]+", re.IGNORECASE)
_MEMBER = re.compile(
    rf"([\"'](?:{_NAMES}|storage_options|key)[\"']\s*:\s*)(\"[^\"]*\"|'[^']*'|\{{[^}}]*\}})", re.IGNORECASE
)
_HEADER = re.compile(
    r"((?:authorization|x-amz-security-token|[\w-]{0,40}api-key)\s*:\s*(?:\w+ )?)[^\s\"',;<>]+", re.IGNORECASE
)
_ELEMENT = re.compile(
    r"(<(\w{0,40}(?:AccessKeyId|Signature|SignatureProvided|Token|StringToSign|CanonicalRequest))>)[^<]*"
)
_SECRET_NAME = re.compile(rf"(?:{_NAMES}|storage_options|client_kwargs)", re.IGNORECASE)
# parts of a signature, which changes while the file does not
_SIGNING = re.compile(
    rf"(?:x-(?:amz|goog)-[\w-]+|expires|policy|key-pair-id|googleaccessid|{_NAMES}"
    r"|s[vtepr]|spr|sip|srt|ss|skoid|sktid|skt|ske|sks|skv|sdd|sig)",
    re.IGNORECASE,
)
_QUERY_OF_URL = re.compile(r"\?([^\s'\"<>#]*)(?:#[^\s'\"<>]*)?")
T = TypeVar("T")


def shown(text: object) -> str:
    """Return text for display and storage: URLs without user, password and query, and secrets without values.

    Parameters
    ----------
    text
        Location, message, command line, or any object that is converted to such text.
    """
    found = str(text)
    if "@" in found:
        found = _USER.sub(rf"\1{HIDDEN}@", found)
        found = _VSI_USER.sub(rf"\1{HIDDEN}@", found)
        found = _BARE_USER.sub(f"{HIDDEN}@", found)
    if "?" in found or "#" in found:
        found = _QUERY.sub(rf"\1\2{HIDDEN}", found)
        found = _NAMED_QUERY.sub(rf"\1?{HIDDEN}", found)
        found = _SUFFIX.sub(rf"\1{HIDDEN}", found)
    if "=" in found or "%3" in found:
        found = _PAIR.sub(rf"\1{HIDDEN}", found)
    if ":" in found:
        found = _MEMBER.sub(rf'\1"{HIDDEN}"', found)
        found = _HEADER.sub(rf"\1{HIDDEN}", found)
    return _ELEMENT.sub(rf"\1{HIDDEN}", found) if "<" in found else found


def shown_values(value: T) -> T:
    """Apply `shown` to all texts in nested mappings and lists such as attributes, and hide values with secret names."""
    return _values(value)  # type: ignore[no-any-return]


def _values(value: Any) -> Any:
    if isinstance(value, str):
        clean = shown(value)
        return value if clean == value else clean
    if isinstance(value, Mapping):
        return {name: HIDDEN if _is_secret(name) else _values(one) for name, one in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(map(_values, value))
    if getattr(getattr(value, "dtype", None), "kind", "") in ("U", "O"):  # an array; avoids a slow import of NumPy
        clean = value.astype(object)
        for place, one in enumerate(clean.flat):
            clean.flat[place] = _values(one)
        return clean.astype("U" if value.dtype.kind == "U" else object)
    return value


def _is_secret(name: object) -> bool:
    return isinstance(name, str) and _SECRET_NAME.fullmatch(name) is not None


def identity(location: str) -> str:
    """Return a location for fingerprints, which is the same for any user and signature of a file."""
    found = _VSI_USER.sub(r"\1", _USER.sub(r"\1", location))
    if "://" not in found:
        found = _BARE_USER.sub("", found)
    return _QUERY_OF_URL.sub(_kept, found) if "://" in found or found.startswith("/vsi") else found


def without_query(location: str) -> str:
    """Return a URL without query and fragment; other text unchanged."""
    web = location.lower().startswith(("http://", "https://"))
    return re.split("[?#]", location, maxsplit=1)[0] if web else location


def _kept(query: re.Match[str]) -> str:
    parts = [part for part in query[1].split("&") if not _SIGNING.fullmatch(part.partition("=")[0])]
    return f"?{'&'.join(parts)}" if parts else ""


def cause_of(error: BaseException) -> BaseException | None:
    """Return the error to raise another from; None if it or its causes contain a secret."""
    one: BaseException | None = error
    while one is not None:
        if shown(one) != str(one):
            return None
        one = one.__cause__ or one.__context__
    return error


def without_secrets(dataset: "xr.Dataset") -> "xr.Dataset":
    """Return the dataset with attributes free of passwords, keys and signatures of URLs, for writing."""
    clean = dataset.copy().assign_attrs(shown_values(dataset.attrs))
    for variable in clean.variables.values():
        variable.attrs = shown_values(variable.attrs)
    return clean
