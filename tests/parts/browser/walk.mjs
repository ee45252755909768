// The steps of a person, told by what stands on the pages.

/** From the link's first page to the vendor's. */
export async function goToVendor(page) {
  await forward(page).click();
  await atVendor(page);
}

/** The button that goes on. */
export const forward = (page) => page.getByRole('button', { name: /^(Continue|Connect)/ });

export const atVendor = (page) => page.getByRole('heading', { name: /to your account\?$/ }).waitFor();

/** At the vendor: `Connect app` or `Deny`. */
export const decide = (page, answer) => page.getByRole('button', { name: answer }).click();

/** The heading of the page that says how it went. */
export async function verdict(page) {
  const heading = page.getByRole('heading', { level: 1 });
  await heading.waitFor();
  return heading.innerText();
}
