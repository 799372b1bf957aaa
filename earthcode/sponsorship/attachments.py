"""Files that belong to a request: small documents, checked by what they contain and kept in the database.

They are never executed and never served inline. A file is what its bytes say, whatever its name and the browser claim.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import IO, Final

import filetype
from pypdf import PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject

from earthcode.audit import actions as audit
from earthcode.identity.models import User
from earthcode.lib.errors import InvalidInput
from earthcode.sponsorship.events import AttachmentEvent
from earthcode.sponsorship.models import Attachment, Quotation, ResourceRequest

SIZE_MAX: Final = 10 * 1024 * 1024
#: What a file may be → how its name then ends.
KINDS: Final = {"application/pdf": ".pdf", "image/png": ".png", "image/jpeg": ".jpg"}
#: What makes a document do something when it is opened, or carry a file that does.
_ACTIVE: Final = frozenset(
    {"/JS", "/JavaScript", "/Launch", "/EmbeddedFile", "/RichMedia", "/XFA", "/SubmitForm", "/ImportData"}
)


@dataclass(frozen=True)
class Upload:
    """A file that was checked: only ``checked`` makes one."""

    name: str
    media_type: str
    content: bytes


def checked(name: str, file: IO[bytes], *, field: str = "document") -> Upload:
    """The file, if it may be kept. Reads no more than what may be kept. Raises ``InvalidInput`` that names the field."""
    content = file.read(SIZE_MAX + 1)
    if not content:
        raise InvalidInput("The file is empty.", field=field)
    if len(content) > SIZE_MAX:
        raise InvalidInput(f"The file is larger than {SIZE_MAX // 1024 // 1024} MB.", field=field)
    kind = filetype.guess_mime(content)
    if kind not in KINDS:
        raise InvalidInput(
            "Choose a PDF, PNG or JPEG file: this one is something else, whatever its name.", field=field
        )
    if kind == "application/pdf":
        _refuse_active(content, field)
    return Upload(_name(name, KINDS[kind]), kind, content)


def attach(
    upload: Upload,
    *,
    resource_request: ResourceRequest,
    quotation: Quotation | None = None,
    by: User,
    at: datetime,
) -> Attachment:
    """Keep the file with the request, in the caller's transaction. The same content again is the same file."""
    digest = hashlib.sha256(upload.content).hexdigest()
    attachment, added = Attachment.objects.get_or_create(
        resource_request=resource_request,
        quotation=quotation,
        sha256=digest,
        defaults={
            "name": upload.name,
            "media_type": upload.media_type,
            "size": len(upload.content),
            "content": upload.content,
            "by": by,
            "at": at,
        },
    )
    if added:
        data = {"name": upload.name, "sha256": digest, "size": len(upload.content)}
        audit.record(AttachmentEvent.ADD, by=by, about=attachment, at=at, data=data)
    return attachment


def _name(name: str, ending: str) -> str:
    stem = name.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    stem = "".join(letter if letter.isalnum() or letter in "-_ ." else "-" for letter in stem).strip(" .-")[:100]
    return f"{stem or 'document'}{ending}"


def _refuse_active(content: bytes, field: str) -> None:
    try:
        reader = PdfReader(BytesIO(content))
        if reader.is_encrypted:
            raise InvalidInput("The PDF is protected by a password, so nobody can read it.", field=field)
        is_active = _is_active(reader)
    except InvalidInput:
        raise
    # A reader of a stranger's bytes fails in more ways than it names.
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise InvalidInput("The PDF cannot be read. Print it to a new PDF and try again.", field=field) from error
    if is_active:
        raise InvalidInput("The PDF has a script or a file inside. Print it to a new PDF and try again.", field=field)


#: More objects than any document of this size that people write has.
_OBJECTS_MAX: Final = 200_000


def _is_active(reader: PdfReader) -> bool:
    """Walks all that the trailer leads to, without recursion."""
    seen: set[tuple[int, int]] = set()
    waiting: list[object] = [reader.trailer]
    steps = 0
    while waiting:
        steps += 1
        if steps > _OBJECTS_MAX:
            raise ValueError("too many objects")
        each = waiting.pop()
        if isinstance(each, IndirectObject):
            key = each.idnum, each.generation
            if key in seen:
                continue
            seen.add(key)
            each = each.get_object()
        if isinstance(each, DictionaryObject):
            if _ACTIVE & each.keys() or each.get("/S") in _ACTIVE or each.get("/Type") in _ACTIVE:
                return True
            waiting.extend(dict.values(each))
        elif isinstance(each, ArrayObject):
            waiting.extend(list.__iter__(each))
    return False
