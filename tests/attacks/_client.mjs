// One call by a client of Node, which follows redirects as it does by itself: node _client.mjs CLIENT METHOD URL
const [client, method, url] = process.argv.slice(2)
const headers = { authorization: process.env.AUTHORIZATION }

const clients = {
  async fetch() {
    const reply = await fetch(url, { method, headers })
    return reply.text()
  },
  async axios() {
    const { default: axios } = await import('axios')
    const reply = await axios.request({ url, method, headers, validateStatus: () => true, transformResponse: text => text })
    return reply.data
  },
  async got() {
    const { default: got } = await import('got')
    const reply = await got(url, { method, headers, throwHttpErrors: false, retry: { limit: 0 }, methodRewriting: false })
    return reply.body
  },
}

if (method === 'PROBE') {
  if (client !== 'fetch') await import(client)
} else {
  // What cannot be followed is an error to some of them, and just as good.
  console.log(await clients[client]().catch(error => `error: ${error.message}`))
}
