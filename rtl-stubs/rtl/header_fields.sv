// Reads Ethernet, up to two VLAN tags and the fixed IPv4 header off a stream as it passes.
//
// It looks on: a beat counts where s_tvalid and s_tready are both high, and s_tready is an input. Two cycles
// after a beat it comes out again, its masked lanes zeroed, with the fields as far as that beat and those
// before it tell. A field that has not come yet holds what an earlier frame left; whoever uses it asks
// whether the frame is long enough, as every reader of lengths has to.
//
// tkeep has its ones together, from lane 0 on, and all of them on every beat but the last.
`default_nettype none

module header_fields #(
  parameter int DATA_W = 64,
  localparam int BYTES = DATA_W / 8,
  localparam int WORDS = DATA_W / 16,
  localparam int LANE_BITS = $clog2(BYTES),
  localparam int POS_BITS = offload_pkg::POS_BITS,
  localparam int BEAT_BITS = POS_BITS - LANE_BITS
) (
  input  wire                  clk,
  input  wire                  rst,

  input  wire [DATA_W-1:0]     s_tdata,
  input  wire [BYTES-1:0]      s_tkeep,
  input  wire                  s_tvalid,
  input  wire                  s_tready,
  input  wire                  s_tlast,

  // The beat, two cycles later.
  output logic                 beat_valid,
  output logic                 beat_first,
  output logic                 beat_last,
  output logic [DATA_W-1:0]    beat_data,
  // Which beat of its frame, from 0, and how many bytes of the frame it ends after. Both stay at all ones from the
  // last beat that is numbered on.
  output logic [BEAT_BITS-1:0] beat_index,
  output logic [POS_BITS-1:0]  frame_len,

  // What is in the frame behind its tags: at most one of them.
  output logic                 is_ipv4,
  output logic                 is_arp,
  // The outermost tag's VLAN; 0 for none.
  output logic [11:0]          vlan,
  // Of IPv4: the version is 4, the header no shorter than 20 bytes and within Total Length.
  output logic                 ipv4_is_sound,
  output logic                 is_tcp,
  output logic                 is_icmp,
  output logic                 is_fragment,
  output logic [31:0]          src,
  output logic [31:0]          dst,
  // Where the IPv4 header and what it carries begin, in words of 16 bits from the frame's start.
  output logic [5:0]           l3_word,
  output logic [5:0]           l4_word,
  // The length of what IPv4 carries, in bytes, and where it ends, from the frame's start.
  output logic [15:0]          l4_len,
  output logic [POS_BITS-1:0]  packet_end
);

  // The words that are looked at: from the first type to the end of a header without options behind two tags.
  localparam int FIRST_WORD = 6;
  localparam int LAST_WORD = 20;

  wire beat_in = s_tvalid && s_tready;

  // --- Where in its frame a beat is -------------------------------------------------------------------

  logic [BEAT_BITS-1:0] index_in;
  always_ff @(posedge clk) begin
    if (rst) index_in <= '0;
    else if (beat_in) begin
      if (s_tlast) index_in <= '0;
      else if (index_in != '1) index_in <= index_in + 1'b1;
    end
  end

  // How many lanes are kept: the one whose next is not names the number.
  logic [LANE_BITS:0] kept_in;
  always_comb begin
    kept_in = '0;
    for (int i = 0; i < BYTES; i++)
      if (s_tkeep[i] && (i == BYTES - 1 || !s_tkeep[(i + 1) % BYTES]))
        kept_in = kept_in | (LANE_BITS + 1)'(i + 1);
  end

  // --- First cycle: take the beat in, its types told apart --------------------------------------------

  logic                 valid_1, first_1, last_1;
  logic [DATA_W-1:0]    data_1;
  logic [BEAT_BITS-1:0] index_1;
  logic [LANE_BITS:0]   kept_1;

  always_ff @(posedge clk) begin
    valid_1 <= beat_in && !rst;
    first_1 <= index_in == '0;
    last_1  <= s_tlast;
    index_1 <= index_in;
    kept_1  <= kept_in;
    for (int i = 0; i < BYTES; i++)
      if (!s_tkeep[i]) data_1[8*i +: 8] <= 8'h00;
      else data_1[8*i +: 8] <= s_tdata[8*i +: 8];
  end

  // The header's words stay until those of another frame come over them.
  /* verilator lint_off UNUSEDSIGNAL */
  logic [16*(LAST_WORD+1)-1:16*FIRST_WORD] header;
  /* verilator lint_on UNUSEDSIGNAL */
  // What each of the three places where a type can be names, if it has come.
  logic [2:0] names_ipv4, names_arp;
  logic [1:0] names_tag;

  genvar g;
  generate
    for (g = FIRST_WORD; g <= LAST_WORD; g = g + 1) begin : take_word
      localparam int LANE = 2 * (g % WORDS);
      wire is_here = beat_in && index_in == BEAT_BITS'(g / WORDS);
      wire [15:0] word = {s_tdata[8*LANE +: 8] & {8{s_tkeep[LANE]}},
                          s_tdata[8*LANE+8 +: 8] & {8{s_tkeep[LANE+1]}}};
      always_ff @(posedge clk) if (is_here) header[16*g +: 16] <= word;
      if (g == 6 || g == 8 || g == 10) begin : take_type
        localparam int PLACE = (g - 6) / 2;
        // A frame that ends within its type names none.
        wire is_whole = s_tkeep[LANE+1];
        always_ff @(posedge clk) begin
          if (is_here) begin
            names_ipv4[PLACE] <= is_whole && word == offload_pkg::ETHERTYPE_IPV4;
            names_arp[PLACE]  <= is_whole && word == offload_pkg::ETHERTYPE_ARP;
          end else if (beat_in && index_in == '0) begin
            names_ipv4[PLACE] <= 1'b0;
            names_arp[PLACE]  <= 1'b0;
          end
        end
        // A third tag names nothing that is looked into.
        if (PLACE < 2) begin : take_tag
          always_ff @(posedge clk) begin
            if (is_here)
              names_tag[PLACE] <= is_whole
                && (word == offload_pkg::ETHERTYPE_C_TAG || word == offload_pkg::ETHERTYPE_S_TAG);
            else if (beat_in && index_in == '0) names_tag[PLACE] <= 1'b0;
          end
        end
      end
    end
  endgenerate

  // --- Second cycle: the fields, by the number of tags ------------------------------------------------

  wire one_tag = names_tag[0] && !names_tag[1];
  wire two_tags = names_tag[0] && names_tag[1];

  // The header's words from its first on.
  /* verilator lint_off UNUSEDSIGNAL */
  wire [159:0] l3 = two_tags ? header[16*11 +: 160] : one_tag ? header[16*9 +: 160] : header[16*7 +: 160];
  /* verilator lint_on UNUSEDSIGNAL */

  wire [11:0] tag_vlan = header[16*7 +: 12];
  wire [5:0] l3_word_1 = two_tags ? 6'd11 : one_tag ? 6'd9 : 6'd7;
  wire [3:0] ihl = l3[8 +: 4];
  wire [15:0] total_len = l3[16*1 +: 16];
  wire [15:0] header_len = {10'd0, ihl, 2'b00};

  always_ff @(posedge clk) begin
    beat_valid <= valid_1 && !rst;
    beat_first <= first_1;
    beat_last  <= last_1;
    beat_data  <= data_1;
    beat_index <= index_1;
    frame_len  <= index_1 == '1 ? '1 : {index_1, {LANE_BITS{1'b0}}} + POS_BITS'(kept_1);

    is_ipv4 <= names_tag[0] ? (names_tag[1] ? names_ipv4[2] : names_ipv4[1]) : names_ipv4[0];
    is_arp  <= names_tag[0] ? (names_tag[1] ? names_arp[2] : names_arp[1]) : names_arp[0];
    vlan    <= names_tag[0] && tag_vlan != 12'hfff ? tag_vlan : 12'd0;

    ipv4_is_sound <= l3[12 +: 4] == 4'd4 && ihl >= 4'd5 && total_len >= header_len;
    is_tcp        <= l3[16*4 +: 8] == offload_pkg::PROTOCOL_TCP;
    is_icmp       <= l3[16*4 +: 8] == offload_pkg::PROTOCOL_ICMP;
    is_fragment   <= l3[16*3 +: 14] != 14'd0;
    src           <= {l3[16*6 +: 16], l3[16*7 +: 16]};
    dst           <= {l3[16*8 +: 16], l3[16*9 +: 16]};
    l3_word       <= l3_word_1;
    l4_word       <= l3_word_1 + {1'b0, ihl, 1'b0};
    l4_len        <= total_len - header_len;
    packet_end    <= POS_BITS'(total_len) + POS_BITS'({l3_word_1, 1'b0});
  end

endmodule

`default_nettype wire
