"""Pictures of items, each under an address that never names another."""

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from flask_login import current_user

from contest import import_tasks, pictures
from contest.errors import NotThere
from contest.extensions import db
from contest.models import BankImport

bp = Blueprint("pictures", __name__)


@bp.get("/pictures/<sha256>.webp")
def show(sha256: str) -> ResponseReturnValue:
    """Give the picture to staff and to whoever has it in a paper."""
    content = pictures.content_for(
        db.session(), sha256, account_id=current_user.id, is_staff=current_user.is_staff
    )
    return Response(content, mimetype="image/webp")


@bp.get("/admin/bank/imports/<int(max=2147483647):import_id>/pictures/<sha256>.webp")
def of_import(import_id: int, sha256: str) -> ResponseReturnValue:
    """Give a picture of a file that was brought, as it would be stored."""
    brought = db.session.get(BankImport, import_id)
    content = import_tasks.picture(db.session(), brought, sha256) if brought else None
    if content is None:
        raise NotThere("Không tìm thấy hình này.")
    return Response(content, mimetype="image/webp")
