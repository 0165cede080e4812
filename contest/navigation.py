"""The way through the organizers' area: a round's pages in four groups, the others above them."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Flask, current_app, request
from flask_login import current_user

from contest.policies import POLICIES


@dataclass(frozen=True)
class Tab:
    """A page that the navigation leads to."""

    label: str
    endpoint: str


# What an organizer does before, during and after a round, in the order of the work.
ROUND_TABS: Mapping[str, tuple[Tab, ...]] = {
    "Chuẩn bị": (
        Tab("Cấu hình", "admin_rounds.show"),
        Tab("Thử rút đề", "admin_analysis.draw_trial"),
    ),
    "Đang thi": (
        Tab("Điều hành", "admin_dashboard.show"),
        Tab("Bài thi", "admin_participants.attempts"),
        Tab("Sự cố", "admin_incidents.show"),
        Tab("Thêm giờ", "admin_extra_times.show"),
        Tab("Biến động câu hỏi", "admin_analysis.drift"),
    ),
    "Kết quả": (
        Tab("Xếp hạng cá nhân", "admin_results.individuals"),
        Tab("Xếp hạng đơn vị", "admin_results.units"),
        Tab("Không xếp hạng", "admin_exclusions.index"),
        Tab("Đính chính", "admin_corrections.index"),
        Tab("Kết quả", "admin_results.show"),
        Tab("Từ chối giải", "admin_declines.index"),
        Tab("Kiến nghị", "admin_complaints.index"),
        Tab("Giấy chứng nhận", "admin_certificates.show"),
    ),
    "Phân tích": (
        Tab("Câu hỏi", "admin_analysis.show"),
        Tab("Thống kê", "admin_statistics.show"),
    ),
}
SITE_TABS = (
    Tab("Vòng thi", "admin_dashboard.index"),
    Tab("Người dự thi", "admin_participants.index"),
    Tab("Ngân hàng câu hỏi", "admin_bank.index"),
    Tab("Chờ phê duyệt", "admin_proposals.index"),
    Tab("Cuộc thi", "admin_contests.index"),
    Tab("Diễn tập", "admin_rehearsals.index"),
    Tab("Công việc chạy nền", "admin_tasks.index"),
    Tab("Phòng chờ", "admin_waiting_room.show"),
)
_ROUND_ENDPOINTS = {tab.endpoint for group in ROUND_TABS.values() for tab in group}
_TABS = {*_ROUND_ENDPOINTS, *(tab.endpoint for tab in SITE_TABS)}
# Under which tab a page without one stands, where its blueprint has no tab or several.
_PARENTS = {
    "admin_analysis.item": "admin_analysis.show",
    "admin_configuration": "admin_rounds.show",
    "admin_configuration.new": "admin_contests.index",
    "admin_imports": "admin_bank.index",
    "admin_participant": "admin_participants.index",
    "admin_winner_checks": "admin_results.show",
    "contest_standings": "admin_contests.index",
}


def tab_of(endpoint: str) -> str:
    """Return the endpoint of the tab under which a page stands, "" for a page without one."""
    if endpoint in _TABS:
        return endpoint
    blueprint = _blueprint(endpoint)
    own = [tab for tab in _TABS if _blueprint(tab) == blueprint]
    return _PARENTS.get(endpoint) or _PARENTS.get(blueprint) or (own[0] if len(own) == 1 else "")


def _blueprint(endpoint: str) -> str:
    return endpoint.partition(".")[0]


def is_of_round(endpoint: str) -> bool:
    """Tell whether a page is one of a round's, so that the round's tabs stand above it."""
    return tab_of(endpoint) in _ROUND_ENDPOINTS


def may_open(endpoint: str) -> bool:
    """Tell whether the person of this request has a role that a page of the organizers' area needs."""
    roles = POLICIES[endpoint].roles
    return not roles or bool(roles & current_user.roles)


def may_post(address: str) -> bool:
    """Tell whether the person of this request has a role that an action, known by its address, needs."""
    endpoint, _ = current_app.url_map.bind("").match(address.removeprefix(request.script_root), method="POST")
    return may_open(endpoint)


def init_app(app: Flask) -> None:
    """Let the layout of the organizers' area draw the navigation."""
    app.jinja_env.globals.update(
        site_tabs=SITE_TABS,
        round_tabs=ROUND_TABS,
        tab_of=tab_of,
        is_of_round=is_of_round,
        may_open=may_open,
        may_post=may_post,
    )
