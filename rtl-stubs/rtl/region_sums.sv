// Three one's-complement sums (RFC 1071) over a frame as it passes: all of it behind the 14 bytes of
// Ethernet, the part that a first region names (the IPv4 header), and the part that a second names (what the
// packet carries). Not folded: a word's carries are still in the upper bits.
//
// Every region begins at an even offset from the frame's start, so a word of 16 bits never lies across two
// words of the stream. The first byte of a beat that is not the frame's first lies at a multiple of 16 bits
// too. Only the second region may end at an odd offset; the byte behind it counts as zero.
//
// Where the regions lie has to be told with each beat, as far as that beat reaches. One cycle after the
// frame's last beat, or four where it is wide, the sums stand, for one cycle.
`default_nettype none

module region_sums #(
  parameter int DATA_W = 64,
  localparam int BYTES = DATA_W / 8,
  localparam int WORDS = DATA_W / 16,
  localparam int LANE_BITS = $clog2(BYTES),
  localparam int POS_BITS = offload_pkg::POS_BITS,
  localparam int BEAT_BITS = POS_BITS - LANE_BITS,
  // The longest frame whose length does not saturate has 2^16 words of 16 bits.
  localparam int SUM_BITS = 32
) (
  input  wire                  clk,
  input  wire                  rst,

  // A beat whose masked lanes are zero.
  input  wire                  beat_valid,
  input  wire                  beat_first,
  input  wire                  beat_last,
  input  wire [DATA_W-1:0]     beat_data,
  input  wire [BEAT_BITS-1:0]  beat_index,
  // Where the regions begin, in words of 16 bits, and where the second ends, in bytes, from the frame's start.
  input  wire                  l3_known,
  input  wire [5:0]            l3_word,
  input  wire [5:0]            l4_word,
  input  wire [POS_BITS-1:0]   l4_end,
  // A word of the first region to be left out: a field that is not filled in yet.
  input  wire                  skip,
  input  wire [5:0]            skip_word,
  // To be added to the second region's sum: taken with the frame's last beat, or one cycle later where it
  // is wide.
  input  wire [18:0]           l4_extra,

  output logic                 sums_valid,
  output logic [SUM_BITS-1:0]  raw_sum,
  output logic [SUM_BITS-1:0]  l3_sum,
  output logic [SUM_BITS-1:0]  l4_sum
);

  localparam int WORD_BITS = $clog2(WORDS);
  localparam bit WIDE = DATA_W > 64;
  // Ethernet's own words.
  localparam int LINK_WORDS = 7;
  // No header reaches past so many words.
  localparam int EARLY_WORDS = 64;

  // --- Which words count ------------------------------------------------------------------------------

  wire is_early = beat_index < BEAT_BITS'(EARLY_WORDS / WORDS);
  wire [5:0] base = 6'(beat_index) << WORD_BITS;
  wire [BEAT_BITS-1:0] end_beat = l4_end[POS_BITS-1:LANE_BITS];
  wire [LANE_BITS-1:0] end_lane = l4_end[LANE_BITS-1:0];
  wire end_is_here = beat_index == end_beat;
  wire end_is_ahead = beat_index < end_beat;

  logic [WORDS-1:0] in_raw_0, in_l3_0;
  logic [BYTES-1:0] in_l4_0;
  always_comb begin
    for (int w = 0; w < WORDS; w++) begin
      in_raw_0[w] = beat_index > BEAT_BITS'(LINK_WORDS / WORDS)
                 || (beat_index == BEAT_BITS'(LINK_WORDS / WORDS) && w >= LINK_WORDS % WORDS);
      in_l3_0[w] = l3_known && is_early && (base | 6'(w)) >= l3_word && (base | 6'(w)) < l4_word
                && !(skip && (base | 6'(w)) == skip_word);
    end
    for (int b = 0; b < BYTES; b++)
      in_l4_0[b] = l3_known && (!is_early || (base | 6'(b / 2)) >= l4_word)
                && (end_is_ahead || (end_is_here && LANE_BITS'(b) < end_lane));
  end

  logic              valid_a, first_a, last_a;
  logic [DATA_W-1:0] data_a;
  logic [WORDS-1:0]  in_raw_a, in_l3_a;
  logic [BYTES-1:0]  in_l4_a;

  generate
    if (WIDE) begin : mask_in_a_cycle
      always_ff @(posedge clk) begin
        valid_a  <= beat_valid && !rst;
        first_a  <= beat_first;
        last_a   <= beat_last;
        data_a   <= beat_data;
        in_raw_a <= in_raw_0;
        in_l3_a  <= in_l3_0;
        in_l4_a  <= in_l4_0;
      end
    end else begin : mask_at_once
      always_comb begin
        valid_a  = beat_valid;
        first_a  = beat_first;
        last_a   = beat_last;
        data_a   = beat_data;
        in_raw_a = in_raw_0;
        in_l3_a  = in_l3_0;
        in_l4_a  = in_l4_0;
      end
    end
  endgenerate

  // --- What they add up to: four words, then all of them ----------------------------------------------

  localparam int FOURS = WORDS / 4;
  localparam int FOUR_BITS = 18;
  localparam int BEAT_SUM_BITS = 16 + WORD_BITS;

  logic [FOURS*FOUR_BITS-1:0] raw_fours_a, l3_fours_a, l4_fours_a;
  logic [15:0] raw_word, l3_masked, l4_masked;
  logic [FOUR_BITS-1:0] raw_four, l3_four, l4_four;
  always_comb begin
    raw_word = '0;
    l3_masked = '0;
    l4_masked = '0;
    for (int f = 0; f < FOURS; f++) begin
      raw_four = '0;
      l3_four = '0;
      l4_four = '0;
      for (int w = 0; w < 4; w++) begin
        raw_word = {data_a[16*(4*f+w) +: 8], data_a[16*(4*f+w)+8 +: 8]};
        l3_masked = raw_word & {16{in_l3_a[4*f+w]}};
        l4_masked = raw_word & {{8{in_l4_a[2*(4*f+w)]}}, {8{in_l4_a[2*(4*f+w)+1]}}};
        raw_word = raw_word & {16{in_raw_a[4*f+w]}};
        raw_four = raw_four + FOUR_BITS'(raw_word);
        l3_four = l3_four + FOUR_BITS'(l3_masked);
        l4_four = l4_four + FOUR_BITS'(l4_masked);
      end
      raw_fours_a[f*FOUR_BITS +: FOUR_BITS] = raw_four;
      l3_fours_a[f*FOUR_BITS +: FOUR_BITS] = l3_four;
      l4_fours_a[f*FOUR_BITS +: FOUR_BITS] = l4_four;
    end
  end

  logic                     valid_c, first_c, last_c;
  logic [BEAT_SUM_BITS-1:0] raw_c, l3_c, l4_c, raw_more_c, l3_more_c, l4_more_c;
  logic [18:0]              extra_c;

  generate
    if (WIDE) begin : add_in_two_cycles
      localparam int HALF = FOURS / 2;
      logic                       valid_b, first_b, last_b;
      logic [FOURS*FOUR_BITS-1:0] raw_b, l3_b, l4_b;
      logic [18:0]                extra_b;
      logic [BEAT_SUM_BITS-1:0]   raw_low, l3_low, l4_low, raw_high, l3_high, l4_high;
      always_comb begin
        raw_low = '0;
        l3_low = '0;
        l4_low = '0;
        raw_high = '0;
        l3_high = '0;
        l4_high = '0;
        for (int f = 0; f < HALF; f++) begin
          raw_low = raw_low + BEAT_SUM_BITS'(raw_b[f*FOUR_BITS +: FOUR_BITS]);
          l3_low = l3_low + BEAT_SUM_BITS'(l3_b[f*FOUR_BITS +: FOUR_BITS]);
          l4_low = l4_low + BEAT_SUM_BITS'(l4_b[f*FOUR_BITS +: FOUR_BITS]);
          raw_high = raw_high + BEAT_SUM_BITS'(raw_b[(HALF+f)*FOUR_BITS +: FOUR_BITS]);
          l3_high = l3_high + BEAT_SUM_BITS'(l3_b[(HALF+f)*FOUR_BITS +: FOUR_BITS]);
          l4_high = l4_high + BEAT_SUM_BITS'(l4_b[(HALF+f)*FOUR_BITS +: FOUR_BITS]);
        end
      end
      always_ff @(posedge clk) begin
        valid_b <= valid_a && !rst;
        first_b <= first_a;
        last_b  <= last_a;
        raw_b   <= raw_fours_a;
        l3_b    <= l3_fours_a;
        l4_b    <= l4_fours_a;
        extra_b <= l4_extra;

        valid_c    <= valid_b && !rst;
        first_c    <= first_b;
        last_c     <= last_b;
        raw_c      <= raw_low;
        l3_c       <= l3_low;
        l4_c       <= l4_low;
        raw_more_c <= raw_high;
        l3_more_c  <= l3_high;
        l4_more_c  <= l4_high;
        extra_c    <= extra_b;
      end
    end else begin : add_at_once
      always_comb begin
        valid_c    = valid_a;
        first_c    = first_a;
        last_c     = last_a;
        raw_c      = raw_fours_a;
        l3_c       = l3_fours_a;
        l4_c       = l4_fours_a;
        raw_more_c = '0;
        l3_more_c  = '0;
        l4_more_c  = '0;
        extra_c    = l4_extra;
      end
    end
  endgenerate

  // --- And all beats of the frame, from its first on: what was before that counts for nothing ---------

  wire [SUM_BITS-1:0] extra_once = last_c ? SUM_BITS'(extra_c) : SUM_BITS'(0);

  always_ff @(posedge clk) begin
    sums_valid <= valid_c && last_c && !rst;
    if (valid_c) begin
      raw_sum <= (first_c ? SUM_BITS'(0) : raw_sum) + SUM_BITS'(raw_c) + SUM_BITS'(raw_more_c);
      l3_sum  <= (first_c ? SUM_BITS'(0) : l3_sum) + SUM_BITS'(l3_c) + SUM_BITS'(l3_more_c);
      l4_sum  <= (first_c ? SUM_BITS'(0) : l4_sum) + SUM_BITS'(l4_c) + SUM_BITS'(l4_more_c) + extra_once;
    end
  end

endmodule

`default_nettype wire
