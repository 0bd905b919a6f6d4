/** The SharedWorker: one socket for all windows of this browser. */
import { Hub, type Notice, type Order } from './hub'

const hub = new Hub()

;(self as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = (event) => {
  const port = event.ports[0]
  if (!port) return
  const page = (notice: Notice) => port.postMessage(notice)
  port.onmessage = (message: MessageEvent<Order>) => hub.order(message.data, page)
  hub.join(page)
}
