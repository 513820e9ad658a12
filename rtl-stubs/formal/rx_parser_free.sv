// In place of rx_parser where a proof is about what becomes of its words: they come when they come there, a key with
// any beat up to the last, and are bits of the frame's own: of its first beat, and of its last.
`default_nettype none

module rx_parser #(
  parameter DATA_W = 64
) (
  input  wire                clk,
  input  wire                rst,
  input  wire [DATA_W-1:0]   s_axis_tdata,
  input  wire [DATA_W/8-1:0] s_axis_tkeep,
  input  wire                s_axis_tvalid,
  input  wire                s_axis_tready,
  input  wire                s_axis_tlast,
  output wire                key_valid,
  output wire [127:0]        key,
  output wire                end_valid,
  output wire                end_has_key,
  output wire                end_is_segment,
  output wire [16:0]         end_len,
  output wire                stat_not_ipv4,
  output wire                stat_ipv4_malformed,
  output wire                stat_tcp_malformed
);

  localparam LATENCY = 3;

  wire takes = s_axis_tvalid && s_axis_tready && !rst;
  (* anyseq *) reg is_complete;
  reg is_first, is_said;
  reg [3:0] first_bits;
  wire [3:0] bits = is_first ? s_axis_tdata[3:0] : first_bits;
  wire says = takes && !is_said && (is_complete || s_axis_tlast);
  reg [LATENCY-1:0] keys, ends;
  reg [4*LATENCY-1:0] keys_bits, ends_bits;

  always @(posedge clk) begin
    if (rst) is_first <= 1'b1;
    else if (takes) is_first <= s_axis_tlast;
    if (rst) is_said <= 1'b0;
    else if (takes) is_said <= !s_axis_tlast && (is_said || says);
    first_bits <= bits;
    keys <= rst ? 0 : {keys, says};
    ends <= rst ? 0 : {ends, takes && s_axis_tlast};
    keys_bits <= {keys_bits, bits};
    ends_bits <= {ends_bits, s_axis_tdata[7:4]};
  end

  assign key_valid = keys[LATENCY-1];
  assign key = {keys_bits[4*(LATENCY-1) +: 4], 16'd0};
  assign end_valid = ends[LATENCY-1];
  wire [3:0] end_bits = ends_bits[4*(LATENCY-1) +: 4];
  assign end_has_key = end_bits[2];
  assign end_is_segment = end_bits[3];
  assign end_len = end_bits[1:0];
  assign {stat_not_ipv4, stat_ipv4_malformed, stat_tcp_malformed} = 3'b000;

endmodule

`default_nettype wire
