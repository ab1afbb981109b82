"""Writing a definition: a new loader, a new draft, an edit. A try that is refused, or that came too late, loses no typing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Query, Request, Response

from api.access import allow, control_plane, current_caller
from api.pages.definition_form import MAIN, Editor, begin_edit, explain_refusal, merge_edit, resume_edit
from api.pages.definition_text import read_definition, write_definition
from api.pages.error_pages import page_router
from api.pages.flashes import Flash
from api.pages.loaders import CRUMBS, Code, Version
from api.pages.new_loader import SKELETONS
from api.pages.posted import Posted, PostedForm
from api.pages.rendering import go, render
from domain.errors import ConflictError, EtlmonError, InputDataError, NotPermittedError, StaleEditError
from domain.vocabulary import VersionState
from resources.loaders.records import VersionRecord

router = page_router()
_REFUSALS = (InputDataError, ConflictError, NotPermittedError)


@router.get("/new-loader")
@allow("loaders", "edit")
def show_new_loader(request: Request, source: Annotated[str, Query(max_length=20)] = "") -> Response:
    """Choose a source, then write."""
    if source not in SKELETONS:
        return render(request, "new_loader.html", crumbs=[*CRUMBS, ("New loader", "")], sources=SKELETONS)
    text = SKELETONS[source].text
    return _editor_page(request, begin_edit(read_definition(text).document, text), title="New loader", back="/loaders")


@router.post("/new-loader")
@allow("loaders", "edit")
def create_loader(request: Request, form: Posted) -> Response:
    """Make the loader with its first draft."""
    me = current_caller(request)

    def save(document: Mapping[str, Any]) -> VersionRecord:
        return control_plane(request).loaders.create_draft(document, caller=me, is_new_loader=True)

    return _save(request, form, save, title="New loader", back="/loaders")


@router.get("/loaders/{code}/draft")
@allow("loaders", "edit")
def show_new_draft(request: Request, code: Code, based_on: Annotated[int, Query(ge=1, le=2_000_000_000)]) -> Response:
    """A draft that begins with the content of a version; nothing is stored before it is saved."""
    loaders = control_plane(request).loaders
    draft = next((one for one in loaders.list_versions(code, limit=500)[0] if one.state is VersionState.DRAFT), None)
    if draft is not None:
        flash = Flash(f"{code} has a draft already", "There is one draft at a time: this one.", kind="info")
        return go(request, f"/loaders/{code}/versions/{draft.version}/edit", flash)
    base = loaders.get(code, based_on)
    return _editor_page(
        request, _begin(request, base), title=_draft_title(base.version), code=code, back=f"/loaders/{code}"
    )


@router.post("/loaders/{code}/draft")
@allow("loaders", "edit")
def create_draft(
    request: Request, code: Code, based_on: Annotated[int, Query(ge=1, le=2_000_000_000)], form: Posted
) -> Response:
    """Store the draft."""
    me = current_caller(request)

    def save(document: Mapping[str, Any]) -> VersionRecord:
        if document.get("code", code) != code:
            raise InputDataError(f"the draft belongs to {code}", suggestion="a code never changes; make a new loader")
        return control_plane(request).loaders.create_draft({**document, "code": code}, caller=me, based_on=based_on)

    return _save(request, form, save, title=_draft_title(based_on), code=code, back=f"/loaders/{code}")


@router.get("/loaders/{code}/versions/{version}/edit")
@allow("loaders", "edit")
def show_edit(request: Request, code: Code, version: Version) -> Response:
    """The form of a version."""
    record = control_plane(request).loaders.get(code, version)
    back = f"/loaders/{code}/versions/{version}"
    if record.state not in {VersionState.DRAFT, VersionState.PENDING}:
        return go(request, f"/loaders/{code}/draft?based_on={version}")
    return _editor_page(request, _begin(request, record), title=f"Edit version {version}", record=record, back=back)


@router.post("/loaders/{code}/versions/{version}/edit")
@allow("loaders", "edit")
def save_edit(request: Request, code: Code, version: Version, form: Posted) -> Response:
    """Save; who was overtaken sees both texts and may save again."""
    loaders, me = control_plane(request).loaders, current_caller(request)
    title, back = f"Edit version {version}", f"/loaders/{code}/versions/{version}"

    def save(document: Mapping[str, Any]) -> VersionRecord:
        return loaders.edit(code, version, document, caller=me, revision=form.number("revision"))

    try:
        return _save(request, form, save, title=title, back=back, record=loaders.get(code, version), code=code)
    except StaleEditError:
        theirs = loaders.get(code, version)
        editor = resume_edit(form.values())
        return _editor_page(
            request, editor, title=title, back=back, record=theirs, theirs=_begin(request, theirs), status=412
        )


def _save(
    request: Request,
    form: PostedForm,
    save: Callable[[Mapping[str, Any]], VersionRecord],
    *,
    title: str,
    back: str,
    code: str = "",
    record: VersionRecord | None = None,
) -> Response:
    editor, parsed = resume_edit(form.values()), None
    try:
        parsed = merge_edit(editor)
        saved = save(parsed.document)
    except _REFUSALS as error:
        explain_refusal(editor, error, parsed)
        revision = form.number("revision")
        return _editor_page(
            request, editor, title=title, back=back, code=code, record=record, revision=revision, status=_status(error)
        )
    to = f"/loaders/{saved.code}/versions/{saved.version}"
    return go(request, to, Flash(f"Version {saved.version} is saved as a draft", "Submit it when it is ready."))


def _status(error: EtlmonError) -> int:
    return 409 if isinstance(error, ConflictError) else 403 if isinstance(error, NotPermittedError) else 422


def _draft_title(based_on: int) -> str:
    return f"New draft based on version {based_on}"


def _begin(request: Request, record: VersionRecord) -> Editor:
    shown = control_plane(request).policies.show("loaders", record.document, current_caller(request).role)
    return begin_edit(shown, write_definition(shown, record.definition))


def _editor_page(
    request: Request,
    editor: Editor,
    *,
    title: str,
    back: str,
    code: str = "",
    record: VersionRecord | None = None,
    revision: int | None = None,
    theirs: Editor | None = None,
    status: int = 200,
) -> Response:
    of = record.code if record else code
    return render(
        request,
        "loader_edit.html",
        crumbs=[*CRUMBS, *([(of, f"/loaders/{of}")] if of else []), (title, "")],
        status=status,
        editor=editor,
        title=title,
        back=back,
        code=of,
        record=record,
        revision=revision if revision is not None else record.revision if record else 0,
        theirs=theirs,
        changed=[name for name in MAIN if theirs and theirs.fields[name] != editor.fields[name]],
        is_pending=record is not None and record.state is VersionState.PENDING,
    )
