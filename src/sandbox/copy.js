// Without a script, or without a clipboard, the button stays hidden and a click on the command selects all of it.
const button = document.getElementById('copy');
const command = document.getElementById('command');
if (button && command && navigator.clipboard) {
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(command);
      button.textContent = 'Press Ctrl+C';
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}
