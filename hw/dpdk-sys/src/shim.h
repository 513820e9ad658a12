/* What is bound, and the little that bindgen cannot see. */
#include <rte_bus_vdev.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <rte_version.h>

/* rte_errno, a macro over a variable of the calling thread's. */
int fixwire_dpdk_errno(void);

/* Whether frames can pass: by ethdev's record on a port that runs with intr_conf.lsc, and else as its driver says, which may ask
 * the kernel or the device. */
int fixwire_dpdk_link_is_up(uint16_t port);
