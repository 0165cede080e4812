from flask import Blueprint

bp = Blueprint("admin_participants", __name__, url_prefix="/admin")
