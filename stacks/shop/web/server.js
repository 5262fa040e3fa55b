// The shop's front: it asks the orders and the stock, and has nothing of its own.
const express = require('express');

const orders = process.env.ORDERS_URL;
const stock = process.env.STOCK_URL;
const app = express();

async function ask(url, options) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(5000), ...options });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return answer.json();
}

app.get('/', async (request, response, next) => {
  try {
    const latest = await ask(`${orders}/orders`);
    const left = await ask(`${stock}/stock/1`);
    response.json({ orders: latest, left });
  } catch (error) {
    next(error);
  }
});

app.post('/orders/:article', async (request, response, next) => {
  try {
    const article = encodeURIComponent(request.params.article);
    response.status(201).json(await ask(`${orders}/orders/${article}`, { method: 'POST' }));
  } catch (error) {
    next(error);
  }
});

app.use((error, request, response, next) => {
  response.status(502).json({ error: error.message });
});

app.listen(process.env.PORT || 8400, '0.0.0.0');
