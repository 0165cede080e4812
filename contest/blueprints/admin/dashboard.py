from flask import Blueprint

bp = Blueprint("admin_dashboard", __name__, url_prefix="/admin")
