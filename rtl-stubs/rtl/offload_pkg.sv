// What the blocks and the software have in common: numbers that registers carry.
`default_nettype none

package offload_pkg;
  /* verilator lint_off UNUSEDPARAM */
  // A verdict on one layer's checksum, as offload/src/verdict.rs numbers them. 3 (none) is what a device
  // says of a sum that its sender left unfinished: on a wire there is no such thing, and no block says it.
  localparam logic [1:0] VERDICT_UNKNOWN = 2'd0;
  localparam logic [1:0] VERDICT_BAD     = 2'd1;
  localparam logic [1:0] VERDICT_GOOD    = 2'd2;

  // Why a frame was dropped, as last_drop and tx_last_drop have it (regs/offload.rdl). 0 is none.
  localparam logic [2:0] DROP_MAC_ERROR   = 3'd1;
  localparam logic [2:0] DROP_TOO_LONG    = 3'd2;
  localparam logic [2:0] DROP_BUFFER_FULL = 3'd3;
  localparam logic [2:0] DROP_NOT_OURS    = 3'd4;
  localparam logic [2:0] DROP_FLOW_DROP   = 3'd5;
  localparam logic [2:0] DROP_LENGTHS     = 3'd6;

  // The link's types (IEEE 802.1Q table 9-1; RFC 894, RFC 826).
  localparam logic [15:0] ETHERTYPE_IPV4  = 16'h0800;
  localparam logic [15:0] ETHERTYPE_ARP   = 16'h0806;
  localparam logic [15:0] ETHERTYPE_C_TAG = 16'h8100;
  localparam logic [15:0] ETHERTYPE_S_TAG = 16'h88a8;

  localparam logic [7:0] PROTOCOL_ICMP = 8'd1;
  localparam logic [7:0] PROTOCOL_TCP  = 8'd6;

  // A frame's length, in bytes, and a position in it: the longest IPv4 packet behind two tags, and more.
  // A frame beyond that is counted on to stay there: the length saturates.
  localparam int POS_BITS = 17;
  /* verilator lint_on UNUSEDPARAM */
endpackage

`default_nettype wire
