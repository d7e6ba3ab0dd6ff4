"use strict";

const form = document.getElementById("form");
const file = document.getElementById("file");
const password = document.getElementById("password");
const state = document.getElementById("state");
const result = document.getElementById("result");
const drop = document.getElementById("drop");
const buttons = form.querySelectorAll("button");

function say(text, isBad = false) {
  state.textContent = text;
  state.classList.toggle("bad", isBad);
}

async function ask(accept) {
  if (!form.reportValidity()) return null;
  const pdf = file.files[0];
  const headers = { "Accept": accept, "Content-Type": "application/pdf" };
  if (password.value) headers["X-Pdf-Password"] = encodeURIComponent(password.value);
  buttons.forEach((button) => { button.disabled = true; });
  say(`Looking for the tables of ${pdf.name} …`);
  try {
    const answer = await fetch(`v1/tables?name=${encodeURIComponent(pdf.name)}`, { method: "POST", headers, body: pdf });
    if (answer.ok) return await answer.blob();
    say((await answer.json()).message, true);
  } catch (error) {
    say(`The server did not answer (${error.message}); try again.`, true);
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
  }
  return null;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const page = await ask("text/html");
  if (!page) return;
  result.srcdoc = await page.text();
  result.hidden = false;
  say("");
});

document.getElementById("json").addEventListener("click", async () => {
  const json = await ask("application/json");
  if (!json) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(json);
  link.download = file.files[0].name.replace(/\.pdf$/i, "") + ".json";
  link.click();
  URL.revokeObjectURL(link.href);
  say("");
});

for (const kind of ["dragenter", "dragover"]) {
  drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
for (const kind of ["dragleave", "drop"]) {
  drop.addEventListener(kind, () => drop.classList.remove("over"));
}
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  file.files = event.dataTransfer.files;
});
