// The pages work without this file; it saves steps. It makes no markup, only text.
"use strict";

// The ticket stands behind the # of the address: take it from there, and out of the history.
function takeTicket() {
  const form = document.getElementById("enter");
  const [email, ticket] = decodeURIComponent(location.hash.slice(1)).split("~");
  if (!form || !ticket) return;
  history.replaceState(null, "", location.pathname);
  form.elements.email.value = email;
  form.elements.ticket.value = ticket;
  document.getElementById("name").textContent = email;
  document.getElementById("whose").hidden = false;
  document.getElementById("by-hand").hidden = true;
  document.getElementById("how").textContent = "Go on only if that is you.";
  form.querySelector("button").focus();
}

// A package that is being made: what the server says of it, as it says it.
function followPackage() {
  const place = document.querySelector("[data-events]");
  if (!place) return;
  const words = place.querySelector("[data-words]");
  const list = place.querySelector("[data-members]");
  const source = new EventSource(place.dataset.events);
  source.addEventListener("member", (event) => {
    const said = JSON.parse(event.data);
    const line = document.createElement("li");
    line.textContent = said.rows == null ? said.path : `${said.path}: ${said.rows} rows`;
    list.append(line);
    words.textContent = `${list.children.length} files are ready.`;
  });
  source.addEventListener("progress", (event) => {
    const said = JSON.parse(event.data);
    const of = said.expected_rows ? ` of about ${said.expected_rows.toLocaleString()}` : "";
    place.querySelector("[data-rows]").textContent = `About ${said.rows.toLocaleString()}${of} rows are written.`;
  });
  for (const end of ["done", "failed"]) {
    source.addEventListener(end, () => { source.close(); location.reload(); });
  }
  source.onerror = () => { source.close(); setTimeout(() => location.reload(), 2000); };
}

// A button that was pressed says so, and is not pressed twice.
function busyForms() {
  for (const form of document.querySelectorAll("form[data-busy]")) {
    form.addEventListener("submit", (event) => {
      const button = event.submitter;
      if (form.dataset.sent) { event.preventDefault(); return; }
      form.dataset.sent = "1";
      if (button) { button.setAttribute("aria-disabled", "true"); button.textContent = form.dataset.busy; }
    });
  }
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

takeTicket();
followPackage();
busyForms();
