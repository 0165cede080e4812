from flask import Blueprint

bp = Blueprint("admin_rounds", __name__, url_prefix="/admin")
