// A button that sends one image to Python. `Upload` in nbs/explorer/03_widget.ipynb hands this file to anywidget.

const LAB_LIMIT = 9 * 2 ** 20; // bytes; JupyterLab's server closes the connection over a message of more than 10 MiB

export default {
  render({model, el}) {
    const button = Object.assign(document.createElement('button'), {className: 'jupyter-button widget-button', textContent: 'Choose an image'});
    const input = Object.assign(document.createElement('input'), {type: 'file', accept: 'image/*', hidden: true});
    button.addEventListener('click', () => input.click());
    input.addEventListener('change', async () => {
      const file = input.files[0];
      if (!file) return;
      const limit = Math.min(model.get('limit'), el.closest('.jp-NotebookPanel') ? LAB_LIMIT : Infinity);
      const content = file.size > limit ? [] : [await file.arrayBuffer()]; // a file that is too large is named, not sent
      model.send({name: file.name, size: file.size, limit}, undefined, content);
      input.value = ''; // the same file can be chosen again
    });
    el.append(button, input);
  },
};
