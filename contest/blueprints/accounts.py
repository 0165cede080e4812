"""People at the door: registration, signing in and out, and a person's own page."""

import re
import unicodedata
from datetime import date, datetime
from typing import Any

from flask import Blueprint, Response, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, PasswordField, RadioField, SelectField, StringField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import DataRequired, InputRequired, ValidationError
from wtforms.widgets import TextInput

from contest import accounts, certificates, complaints, contests, registrations, resits, units, winner_checks
from contest.accounts import SignedIn
from contest.clock import db_now
from contest.contests import Phase
from contest.errors import BadInput, Conflict, NotThere
from contest.extensions import db
from contest.fields import posted
from contest.models import Account, Contest, Division, Unit
from contest.models.units import GROUPS
from contest.proving import REGISTER, ProvenForm
from contest.rules.eligibility import LONGEST_NAME, LONGEST_PASSWORD, is_name, normal_phone
from contest.rules.passwords import refusal
from contest.security import hash_password
from contest.signing_in import (
    drop_session_cookie,
    is_password_of,
    local_target,
    session_token,
    set_session_cookie,
)
from question_bank.text import clean_text

bp = Blueprint("accounts", __name__)

DAY_FIRST = re.compile(r"([0-9]{1,2})[/. -]([0-9]{1,2})[/. -]([0-9]{4})")
YEAR_FIRST = re.compile(r"([0-9]{4})[/. -]([0-9]{1,2})[/. -]([0-9]{1,2})")
DIGITS_ONLY = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{4})")
SHORT_YEAR = re.compile(r"[0-9]{1,2}[/. -][0-9]{1,2}[/. -][0-9]{2}")
ELSEWHERE = "elsewhere"
WELCOME = "Bạn đã đăng ký dự thi. Chúc bạn làm bài tốt."
WRONG_SIGN_IN = "Số điện thoại hoặc mật khẩu chưa đúng."


# --- forms ---------------------------------------------------------------------------------------


def typed_day(text: str) -> date:
    """Return the day that somebody typed: 5/3/1990, 05-03-1990, 05.03.1990, 05031990 or 1990-03-05.

    Raises ValueError with a sentence.
    """
    text = clean_text(text)
    if match := YEAR_FIRST.fullmatch(text):
        year, month, day = match.groups()
    elif match := DAY_FIRST.fullmatch(text) or DIGITS_ONLY.fullmatch(text):
        day, month, year = match.groups()
    elif SHORT_YEAR.fullmatch(text):
        raise ValueError("Bạn hãy ghi đủ bốn chữ số của năm sinh, ví dụ 05/03/1990.")
    else:
        raise ValueError("Bạn hãy ghi ngày sinh theo thứ tự ngày/tháng/năm, ví dụ 05/03/1990.")
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        raise ValueError("Ngày sinh này không có trong lịch. Bạn vui lòng kiểm tra lại.") from None


class DayField(Field):
    """A day, typed; what was typed stays in the box."""

    widget = TextInput()

    def _value(self) -> str:
        return clean_text(str(self.raw_data[0]))[:40] if self.raw_data else ""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the day; an empty box is left to the validators."""
        text = clean_text(valuelist[0]) if valuelist else ""
        self.data = typed_day(text) if text else None


class LineField(StringField):
    """A line of text; one that was not sent is empty."""

    data: str

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Clean what was typed."""
        self.data = clean_text(valuelist[0]) if valuelist else ""


class SecretField(PasswordField):
    """A password; typed on a phone and on a computer, its accents may be put together differently."""

    data: str

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Bring what was typed into the one form."""
        self.data = unicodedata.normalize("NFC", valuelist[0]) if valuelist else ""


class PersonForm(FlaskForm):  # type: ignore[misc]
    """Who somebody is."""

    name = LineField(
        "Họ và tên",
        [InputRequired("Bạn hãy ghi họ và tên.")],
        description="Như trên căn cước.",
    )
    birth_date = DayField(
        "Ngày sinh",
        [InputRequired("Bạn hãy ghi ngày sinh.")],
        description="Ngày/tháng/năm, ví dụ 05/03/1990. Gõ liền 05031990 cũng được.",
    )
    phone = LineField(
        "Số điện thoại",
        [InputRequired("Bạn hãy ghi số điện thoại.")],
        description="Dùng để đăng nhập. Không hiện ra với người khác.",
    )
    password = SecretField(
        "Mật khẩu",
        [InputRequired("Bạn hãy đặt mật khẩu.")],
        description="Ít nhất 8 ký tự.",
    )

    def validate_name(self, field: Field) -> None:
        """Refuse what is no full name."""
        if len(field.data) > LONGEST_NAME:
            raise ValidationError(f"Họ và tên chỉ được dài tối đa {LONGEST_NAME} ký tự.")
        if not is_name(field.data):
            raise ValidationError("Bạn hãy ghi đầy đủ họ và tên, chỉ dùng chữ cái, ví dụ Nguyễn Văn An.")

    def validate_phone(self, field: Field) -> None:
        """Refuse what is no Vietnamese mobile number."""
        if normal_phone(field.data) is None:
            raise ValidationError("Số điện thoại cần là số di động 10 chữ số, ví dụ 0912 345 678.")

    def validate_password(self, field: Field) -> None:
        """Refuse a password that is easily guessed."""
        sentence = refusal(field.data, phone=normal_phone(self.phone.data))
        if sentence:
            raise ValidationError(sentence)


class EntryForm(FlaskForm):  # type: ignore[misc]
    """In which division, from where and for which unit somebody takes part."""

    division = RadioField(
        "Bảng thi", [InputRequired("Bạn hãy chọn bảng thi.")], choices=[], validate_choice=False
    )
    commune = SelectField(
        "Xã, phường nơi cư trú",
        [InputRequired("Bạn hãy chọn xã, phường nơi cư trú.")],
        choices=[],
        validate_choice=False,
        description="Tên gọi từ ngày 01/7/2025; tìm theo tên xã, phường cũ cũng được.",
    )
    unit = SelectField("Đơn vị công tác", choices=[], validate_choice=False)

    def offer(self, contest: Contest, *, now: datetime) -> None:
        """Fill the lists with the contest's divisions and with all units."""
        self.contest, self.now = contest, now
        self.divisions: dict[str, Division] = {one.code: one for one in contest.divisions}
        self.units: dict[str, Unit] = {one.code: one for one in units.listed(db.session())}
        old = units.former_names(db.session())
        communes = [one for one in self.units.values() if one.kind == "commune"]
        agencies = [one for one in self.units.values() if one.kind == "agency"]
        self.division.choices = [SelectChoice(one.code, one.name) for one in contest.divisions]
        self.commune.choices = [
            SelectChoice("", "Chọn xã, phường"),
            *(SelectChoice(one.code, one.name, {"data-also": old.get(one.id, "")}) for one in communes),
        ]
        if not all(one.is_residence_required for one in contest.divisions):
            self.commune.choices.append(SelectChoice(ELSEWHERE, "Cư trú ngoài tỉnh"))
        self.unit.choices = [
            SelectChoice("", "Chọn đơn vị", optgroup="Chưa chọn"),
            *(
                SelectChoice(one.code, one.name, {"data-also": old.get(one.id, "")}, label)
                for group, label in GROUPS.items()
                for one in (*agencies, *communes)
                if one.group == group and self._is_asked_for(one)
            ),
        ]

    def _is_asked_for(self, unit: Unit) -> bool:
        """Whether people of this unit may take part anywhere by their unit."""
        by_unit = [one for one in self.divisions.values() if one.unit_kind != "commune"]
        return any(registrations.is_admitted(one, unit) for one in by_unit) or not by_unit

    def validate_division(self, field: Field) -> None:
        """Refuse a division that the contest does not have."""
        if field.data not in self.divisions:
            raise ValidationError("Bạn hãy chọn một bảng thi trong danh sách.")

    def validate_commune(self, field: Field) -> None:
        """Refuse what is no commune, and a residence elsewhere where the division asks for one here."""
        if field.data == ELSEWHERE:
            division = self.divisions.get(self.division.data)
            if division and division.is_residence_required:
                raise ValidationError(f"Bảng {division.name} dành cho người cư trú trong tỉnh.")
            return
        unit = self.units.get(field.data)
        if unit is None or unit.kind != "commune":
            raise ValidationError("Bạn hãy chọn xã, phường nơi cư trú trong danh sách.")

    def validate_unit(self, field: Field) -> None:
        """Ask for a unit where the division's people do not simply count for their commune."""
        division = self.divisions.get(self.division.data)
        if division and division.unit_kind != "commune" and field.data not in self.units:
            raise ValidationError("Bạn hãy chọn đơn vị công tác trong danh sách.")

    def enter(self, account: Account) -> None:
        """Enter the account into the contest as the form says. Raises BadInput or Conflict."""
        unit = self.units.get(self.unit.data)
        registrations.enter(
            db.session(),
            account,
            self.contest,
            division_id=self.divisions[self.division.data].id,
            unit_id=unit.id if unit else None,
            commune_id=None if self.commune.data == ELSEWHERE else self.units[self.commune.data].id,
            now=self.now,
        )

    def take(self, error: BadInput) -> None:
        """Show what an operation refused beside the field that it names."""
        for name, sentence in error.fields.items():
            self[name].errors = [*self[name].errors, sentence]


class RegistrationForm(ProvenForm, PersonForm, EntryForm):
    """A new account and its entry, with one consent for each purpose."""

    proof_purpose = REGISTER

    participation = BooleanField(
        "Tôi đồng ý để Ban Tổ chức xử lý dữ liệu của tôi (bắt buộc để dự thi)",
        [DataRequired("Bạn cần đồng ý với mục này thì mới dự thi được.")],
        description=accounts.CONSENTS["participation"],
    )
    publication = BooleanField(
        "Tôi đồng ý công bố tên và kết quả", description=accounts.CONSENTS["publication"]
    )
    contact = BooleanField("Tôi đồng ý được liên hệ khi đạt giải", description=accounts.CONSENTS["contact"])

    def validate_birth_date(self, field: Field) -> None:
        """Refuse who is too young, or can't have been born on that day."""
        if field.data is None:
            if field.errors:
                return  # what was typed is no day, and that was said
            raise ValidationError("Bạn hãy ghi ngày sinh.")
        try:
            registrations.check_birth_date(field.data, self.contest, now=self.now)
        except BadInput as error:
            raise ValidationError(error.sentence) from None

    @property
    def consents(self) -> list[str]:
        """The purposes that were agreed to."""
        return [purpose for purpose in accounts.CONSENTS if self[purpose].data]


class SignInForm(FlaskForm):  # type: ignore[misc]
    """Phone and password."""

    login = LineField("Số điện thoại", [InputRequired("Bạn hãy ghi số điện thoại.")])
    password = SecretField("Mật khẩu", [InputRequired("Bạn hãy ghi mật khẩu.")])


# --- registration --------------------------------------------------------------------------------


@bp.route("/register", methods=["GET", "POST"])
def register() -> ResponseReturnValue:
    """Make an account and enter the contest; somebody signed in only enters."""
    contest, now = _contest_to_enter()
    if current_user.is_authenticated:
        return _enter_signed_in(contest, now=now)
    form = RegistrationForm(posted())
    form.offer(contest, now=now)
    if form.validate_on_submit():
        try:
            signed_in = _register(form)
        except BadInput as error:
            db.session.rollback()
            form.take(error)
        else:
            db.session.commit()
            flash(WELCOME, "success")
            return _go_on(url_for("public.landing"), signed_in)
    page = render_template("accounts/register.html", form=form, contest=contest, target=_target())
    return page, 422 if form.errors else 200


def _contest_to_enter() -> tuple[Contest, datetime]:
    """Return the contest that people register for, and now. Raises Conflict when its last round is over."""
    contest = contests.current_contest(db.session())
    if contest is None:
        raise NotThere("Hiện chưa có cuộc thi nào để đăng ký.")
    now = db_now(db.session())
    phases = {contests.phase(round, now=now) for round in contest.rounds}
    if phases and not phases & {Phase.PLANNED, Phase.OPEN}:
        raise Conflict("Cuộc thi đã kết thúc nên không nhận đăng ký mới. Bạn có thể xem kết quả.")
    return contest, now


def _register(form: RegistrationForm) -> SignedIn:
    """Make what a valid form asks for. Raises BadInput for a phone that has an account."""
    session = db.session()
    account = accounts.create(
        session,
        login=form.phone.data,
        name=form.name.data,
        password_hash=hash_password(form.password.data),
        birth_date=form.birth_date.data,
        consents=form.consents,
        data_key=current_app.config["CONTEST"].data_key,
        now=form.now,
    )
    form.enter(account)
    return accounts.sign_in(session, account, now=form.now)


def _enter_signed_in(contest: Contest, *, now: datetime) -> ResponseReturnValue:
    """Enter a person who has an account from an earlier contest."""
    landing = url_for("public.landing")
    if current_user.is_staff:
        flash("Tài khoản quản trị không dự thi.", "info")
        return redirect(landing, 303)
    if registrations.of_account(db.session(), current_user.id, contest.id):
        flash("Bạn đã đăng ký cuộc thi này.", "info")
        return redirect(landing, 303)
    if current_user.account.birth_date is not None:
        registrations.check_birth_date(current_user.account.birth_date, contest, now=now)
    form = EntryForm(posted())
    form.offer(contest, now=now)
    if form.validate_on_submit():
        try:
            form.enter(current_user.account)
        except BadInput as error:
            db.session.rollback()
            form.take(error)
        else:
            db.session.commit()
            flash(WELCOME, "success")
            return redirect(landing, 303)
    page = render_template("accounts/register.html", form=form, contest=contest, target=None)
    return page, 422 if form.errors else 200


# --- signing in and out --------------------------------------------------------------------------


@bp.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    """Sign in by phone, or by the sign-in name of staff."""
    if request.method == "GET" and current_user.is_authenticated:
        return redirect(_target() or url_for("public.landing"), 303)
    form = SignInForm(posted())
    if form.validate_on_submit():
        account = _account_of(form)
        if account:
            now = db_now(db.session())
            accounts.sign_out(db.session(), session_token(), now=now)
            signed_in = accounts.sign_in(db.session(), account, now=now)
            db.session.commit()
            return _go_on(url_for(_home(account)), signed_in)
        form.form_errors = [WRONG_SIGN_IN]
    contest = contests.current_contest(db.session())
    page = render_template("accounts/login.html", form=form, contest=contest, target=_target())
    return page, 422 if request.method == "POST" else 200


def _account_of(form: SignInForm) -> Account | None:
    """Return the account whose password this is; an unknown phone takes as long as a wrong password."""
    account = accounts.find(db.session(), form.login.data, data_key=current_app.config["CONTEST"].data_key)
    password = form.password.data[: LONGEST_PASSWORD + 1]
    return account if is_password_of(account, password) else None


def _home(account: Account) -> str:
    return "admin_dashboard.index" if account.roles else "public.landing"


def _go_on(home: str, signed_in: SignedIn) -> Response:
    """Give the browser its new session in place of the one it had, and lead on."""
    response = current_app.make_response(redirect(_target() or home, 303))
    set_session_cookie(response, signed_in.token, signed_in.session)
    return response


def _target() -> str | None:
    """Return where the person was going when asked to sign in."""
    return local_target(request.form.get("next") or request.args.get("next"))


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    """End this device's session; pressed twice it does no harm."""
    accounts.sign_out(db.session(), session_token(), now=db_now(db.session()))
    db.session.commit()
    response = current_app.make_response(redirect(url_for("public.landing"), 303))
    # A shared device keeps no answers of whoever has left; browsers do so over HTTPS.
    response.headers["Clear-Site-Data"] = '"storage"'
    drop_session_cookie(response)
    return response


# --- one's own page ------------------------------------------------------------------------------


@bp.get("/me")
def me() -> ResponseReturnValue:
    """What we know of the person, their attempts, and the round to come."""
    account: Account = current_user.account
    contest = contests.current_contest(db.session())
    now = db_now(db.session())
    entry = registrations.of_account(db.session(), account.id, contest.id) if contest else None
    return render_template(
        "accounts/me.html",
        contest=contest,
        account=account,
        login=_masked_login(account),
        entry=entry,
        own_rounds=(
            contests.rounds_of_division(db.session(), entry.contest_id, entry.division_id) if entry else ()
        ),
        consents=accounts.consents_of(db.session(), account.id),
        checks=winner_checks.own_open(db.session(), account.id),
        complaints=complaints.own(db.session(), account.id, contest.id) if contest else [],
        attempts=registrations.own_attempts(db.session(), account.id, contest.id) if contest else [],
        phases={round.id: contests.phase(round, now=now) for round in contest.rounds} if contest else {},
        resits=resits.to_take(db.session(), account.id, contest.id, now=now) if contest else {},
        Phase=Phase,
        now=now,
        certificates=certificates.of_account(db.session(), account.id),
        rounds_to_certify=certificates.rounds_to_certify(db.session(), account.id),
        shown_code=certificates.shown_code,
    )


def _masked_login(account: Account) -> str:
    """Return a phone as "*******678"; a staff sign-in name stands as it is."""
    login = accounts.login_of(account, data_key=current_app.config["CONTEST"].data_key)
    return f"*******{login[-3:]}" if normal_phone(login) else login
