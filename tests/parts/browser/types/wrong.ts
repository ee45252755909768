// Each statement is one fault.
export const nothing = Ligand.connect({});
export const number = Ligand.connect({ link: 7 });
export const misspelt = Ligand.connect({ link: 'https://ligand.example/connect/x', onDone() {} });
export const status = (result: Ligand.Result) => result.status === 'done';
