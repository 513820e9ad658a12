#include "shim.h"

int fixwire_dpdk_errno(void)
{
	return rte_errno;
}

int fixwire_dpdk_link_is_up(uint16_t port)
{
	struct rte_eth_link link = {0};

	return rte_eth_link_get_nowait(port, &link) == 0 && link.link_status != 0;
}
