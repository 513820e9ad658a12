/* What our layer over DPDK is measured beside: an l2 echo as a C program has it, on the same port and the same frames,
 * compiled for this very processor. And the far end of a memif, which sends frames to be echoed and looks at what comes
 * back, outside the time that is measured. */
#include <stdint.h>
#include <string.h>

#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#define BURST_MAX 32
#define QUEUE 0

struct l2_echo_counts {
	uint64_t received;
	uint64_t sent;
	uint64_t freed;
};

int l2_echo_port(const char *name)
{
	uint16_t port = 0;

	return rte_eth_dev_get_port_by_name(name, &port) == 0 ? port : -1;
}

/* Echoes so many bursts. A program that leaves sums to its driver has it prepare them. */
__attribute__((noinline)) void l2_echo_c(uint16_t port, uint64_t bursts, int leaves_sums,
					 struct l2_echo_counts *counts)
{
	struct rte_mbuf *frames[BURST_MAX];

	for (uint64_t burst = 0; burst < bursts; burst++) {
		const uint16_t received = rte_eth_rx_burst(port, QUEUE, frames, BURST_MAX);

		if (unlikely(received == 0))
			continue;
		counts->received += received;
		for (uint16_t at = 0; at < received; at++) {
			struct rte_ether_hdr *header = rte_pktmbuf_mtod(frames[at], struct rte_ether_hdr *);
			const struct rte_ether_addr from = header->src_addr;

			header->src_addr = header->dst_addr;
			header->dst_addr = from;
		}
		const uint16_t ready =
			leaves_sums ? rte_eth_tx_prepare(port, QUEUE, frames, received) : received;
		const uint16_t sent = rte_eth_tx_burst(port, QUEUE, frames, ready);

		counts->sent += sent;
		if (unlikely(sent < received)) {
			counts->freed += received - sent;
			rte_pktmbuf_free_bulk(&frames[sent], received - sent);
		}
	}
}

/* The far end. */
static struct rte_mempool *far_pool;
static uint16_t far_port;

#define FAR_FRAMES 4096
#define FAR_CACHE 64
#define FAR_DESCRIPTORS 1024

int l2_echo_far_open(const char *name, const char *args)
{
	const struct rte_eth_conf conf = {0};
	int answer = rte_eal_hotplug_add("vdev", name, args);

	if (answer != 0)
		return answer;
	answer = rte_eth_dev_get_port_by_name(name, &far_port);
	if (answer != 0)
		return answer;
	far_pool = rte_pktmbuf_pool_create("l2-echo-far", FAR_FRAMES, FAR_CACHE, 0,
					   RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (far_pool == NULL)
		return -ENOMEM;
	answer = rte_eth_dev_configure(far_port, 1, 1, &conf);
	if (answer == 0)
		answer = rte_eth_rx_queue_setup(far_port, QUEUE, FAR_DESCRIPTORS, SOCKET_ID_ANY, NULL, far_pool);
	if (answer == 0)
		answer = rte_eth_tx_queue_setup(far_port, QUEUE, FAR_DESCRIPTORS, SOCKET_ID_ANY, NULL);
	return answer == 0 ? rte_eth_dev_start(far_port) : answer;
}

int l2_echo_far_is_up(void)
{
	struct rte_eth_link link = {0};

	return rte_eth_link_get_nowait(far_port, &link) == 0 && link.link_status != 0;
}

/* Sends a frame `burst` times, and says how many of them left. */
uint16_t l2_echo_far_send(const uint8_t *bytes, uint16_t len, uint16_t burst)
{
	struct rte_mbuf *frames[BURST_MAX];

	if (burst > BURST_MAX || rte_pktmbuf_alloc_bulk(far_pool, frames, burst) != 0)
		return 0;
	for (uint16_t at = 0; at < burst; at++) {
		memcpy(rte_pktmbuf_append(frames[at], len), bytes, len);
	}
	const uint16_t sent = rte_eth_tx_burst(far_port, QUEUE, frames, burst);

	rte_pktmbuf_free_bulk(&frames[sent], burst - sent);
	return sent;
}

/* Receives what has come back, and says how many of them are as `bytes`. */
uint16_t l2_echo_far_receive(const uint8_t *bytes, uint16_t len)
{
	struct rte_mbuf *frames[BURST_MAX];
	const uint16_t received = rte_eth_rx_burst(far_port, QUEUE, frames, BURST_MAX);
	uint16_t right = 0;

	for (uint16_t at = 0; at < received; at++) {
		const void *data = rte_pktmbuf_mtod(frames[at], const void *);

		right += frames[at]->data_len == len && memcmp(data, bytes, len) == 0;
	}
	rte_pktmbuf_free_bulk(frames, received);
	return right;
}
