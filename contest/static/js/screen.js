// A board in a hall: one group of units after the other, and new figures without anybody at the keys.

const TURN = 12000;
const LOOK_AGAIN = 30000;
let turn = 0;

function showOne() {
  const groups = document.querySelectorAll(".screen-group");
  groups.forEach((group, place) => { group.hidden = place !== turn % groups.length; });
}

// What can't be fetched leaves the last figures standing: a hall needs no error message.
async function lookAgain() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of ["#screen", ".screen-head"]) {
      const [old, fresh] = [document.querySelector(part), page.querySelector(part)];
      if (old && fresh) old.replaceWith(fresh);
    }
    showOne();
  } catch {
    return;
  }
}

showOne();
setInterval(() => { turn += 1; showOne(); }, TURN);
setInterval(lookAgain, LOOK_AGAIN);
