from flask import Blueprint

bp = Blueprint("admin_results", __name__, url_prefix="/admin")
