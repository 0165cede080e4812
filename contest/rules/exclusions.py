"""Why a person can be kept out of the standings: the public list of kinds, as the rules page prints it."""

KINDS = {
    "organizer": "Thành viên Ban Tổ chức, người biên soạn hoặc duyệt câu hỏi (được dự thi, không xếp hạng)",
    "ineligible": "Không thuộc đối tượng dự thi",
    "several_accounts": "Dùng nhiều tài khoản",
    "other_person": "Thi hộ hoặc nhờ người khác thi hộ",
    "interference": "Can thiệp vào hệ thống hoặc dùng công cụ tự động",
    "unverified": "Không xác minh được nhân thân",
    "withdrawn": "Người dự thi xin rút",
}
