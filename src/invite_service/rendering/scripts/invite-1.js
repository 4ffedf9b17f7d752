(() => {
  "use strict";
  const ask = new URLSearchParams(location.search), token = ask.get("invite_token");
  if (!token) return;
  const api = new URL("invitations/" + encodeURIComponent(token), document.currentScript.src);
  const call = async (path, body) => {
    const answer = await fetch(api + path, body && {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw answer;
    return answer.json();
  };
  const make = (tag, values, ...children) => {
    const made = Object.assign(document.createElement(tag), values);
    made.append(...children.filter((child) => child));
    return made;
  };
  const line = (...children) => make("p", {}, ...children);

  const open = (told) => {
    const say = told.texts, title = make("h2", { tabIndex: -1, autofocus: true }), body = make("div");
    const dialog = make("dialog", { lang: told.language, dir: say.direction }, title, body);
    const host = make("div"), root = host.attachShadow({ mode: "open" });
    const button = (text, onclick, className = "") => make("button", { type: "button", onclick, className }, text);
    const show = (heading, ...content) => {
      title.textContent = dialog.ariaLabel = heading;
      body.replaceChildren(...content.filter((part) => part), line(button(say.close, () => dialog.close())));
      title.focus();
    };
    const contact = told.merchant.contact_url;
    const missing = () => call("/not-received", {}).then(
      ({ notice }) => show(say.not_received_noted_title, line(notice),
        contact && line(make("a", { href: contact }, say.contact))),
      () => show(say.failed_title, line(say.failed_lead)),
    );
    const isProduct = told.kind == "product";
    const things = isProduct ? told.products
      : [{ name: say.service, rating: told.service_rating, is_editable: told.is_service_editable }];

    const card = (thing, number) => {
      const { rating } = thing, said = make("output");
      const clicked = things.length < 2 || thing.id == ask.get("product_id");
      const stars = (clicked && ask.get("stars")) || rating?.stars;
      const text = make("textarea", { id: "t" + number, maxLength: 5000, dir: "auto", value: rating?.review?.text || "" });
      const choices = say.stars.flatMap((ariaLabel, index) => {
        const id = number + "-" + index, value = index + 1;
        return [
          make("input", { type: "radio", name: "stars", id, value, ariaLabel, required: true, checked: stars == value }),
          make("label", { htmlFor: id, ariaHidden: "true" }, "★"),
        ];
      });
      const onsubmit = async (event) => {
        event.preventDefault();
        const words = text.value.trim();
        try {
          const { ratings: [saved] } = await call("/ratings", { ratings: [{
            product_id: thing.id,
            stars: +new FormData(event.target).get("stars"),
            review: words ? { text: words, consent: true } : null,
          }] });
          thing.rating = saved;
          said.value = say.saved;
          if (things.every((one) => one.rating)) {
            const isShown = things.every(({ rating: { state, review } }) =>
              state == "published" && (review?.state ?? state) == state);
            show(say.thanks_title, line(isShown ? say.thanks_published : say.thanks_waiting));
          }
        } catch ({ status }) {
          said.value = status == 409 ? say.too_old : say.failed_lead;
        }
      };
      return make("form", { onsubmit }, make("fieldset", { disabled: !thing.is_editable },
        make("legend", { dir: "auto" }, thing.name || say.unnamed),
        make("div", { className: "stars" }, ...choices),
        make("label", { htmlFor: text.id }, say.review), text,
        make("button", { className: "main" }, say[rating ? "publish_again" : "publish"]), said));
    };
    const rate = () => show(say.rate_title, line(say.rate_lead), make("small", {}, say.consent),
      ...things.map(card), isProduct && line(button(say.missing, missing)));

    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`STYLE`);
    root.adoptedStyleSheets = [sheet];
    root.append(dialog);
    document.body.append(host);
    dialog.onclose = () => host.remove();
    dialog.showModal();
    const received = ask.get("received"), yes = (kind) => button(say.yes, rate, kind);
    if (received == "no") show(say.not_received_title, line(button(say.report, missing, "main"), yes()));
    else if (told.asks_about_delivery && !received && !ask.has("stars"))
      show(say.ask_title, line(say.ask_lead), line(yes("main"), button(say.no, missing)));
    else rate();
    const clean = new URL(location);
    ["invite_token", "stars", "product_id", "received"].forEach((name) => clean.searchParams.delete(name));
    history.replaceState(history.state, "", clean);
  };
  call("").then(open, () => {});
})();
