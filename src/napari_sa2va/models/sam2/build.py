"""SAM 2 from its own package's modules, at any size, with the constants the Sa2VA family uses.

The network is described by `Sam2Config`; nothing is read from the package's yaml files. Weights
are not loaded here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from napari_sa2va.core.errors import CheckpointError

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

# Number of attention heads in SAM's prompt decoder; the width must be a multiple of it.
_DECODER_HEADS = 8


@dataclass(frozen=True)
class Sam2Config:
    """Sizes of a SAM 2.0 network. The defaults are the Hiera-L of the published checkpoints.

    Attributes
    ----------
    image_size : int
        Side of the square input in px.
    embed_dim, num_heads, stages, global_att_blocks, window_spec, window_pos_embed_bkg_spatial_size
        The Hiera trunk: width and heads of its first stage, blocks per stage, which blocks attend
        globally, window size per stage, and the size of its background position embedding.
    hidden_dim : int
        Width of the neck, the memory attention and the mask decoder.
    memory_dim : int
        Channels of a memory map; divides `hidden_dim`.
    memory_layers, memory_feedforward : int
        Depth of the memory attention and width of its feed-forward part.
    num_memory_frames : int
        Memories attended per frame: the conditioning slot and `num_memory_frames - 1` past frames.
    """

    image_size: int = 1024
    embed_dim: int = 144
    num_heads: int = 2
    stages: tuple[int, ...] = (2, 6, 36, 4)
    global_att_blocks: tuple[int, ...] = (23, 33, 43)
    window_spec: tuple[int, ...] = (8, 4, 16, 8)
    window_pos_embed_bkg_spatial_size: tuple[int, int] = (7, 7)
    hidden_dim: int = 256
    memory_dim: int = 64
    memory_layers: int = 4
    memory_feedforward: int = 2048
    num_memory_frames: int = 7

    @property
    def backbone_channels(self) -> tuple[int, ...]:
        """Channels of the four trunk stages, coarsest first."""
        return tuple(self.embed_dim * 2**i for i in (3, 2, 1, 0))

    @property
    def mask_size(self) -> int:
        """Side in px of the low-resolution mask logits (a quarter of the input)."""
        return self.image_size // 4

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Sam2Config:
        """Read a configuration from the plain JSON of a checkpoint.

        Parameters
        ----------
        fields : dict
            Any of the attributes above. `fpn_backbone_channel_list` is accepted and checked
            against the trunk, since some exports spell it out.

        Raises
        ------
        CheckpointError
            If a field is unknown, or the channel list contradicts the trunk.
        """
        fields = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        channels = fields.pop("fpn_backbone_channel_list", None)
        unknown = sorted(set(fields) - set(cls.__dataclass_fields__))
        if unknown:
            raise CheckpointError(
                f"config.json describes SAM 2 with unknown fields {unknown}.",
                f"Known fields are {sorted(cls.__dataclass_fields__)}.",
            )
        config = cls(**fields)
        if channels is not None and channels != config.backbone_channels:
            raise CheckpointError(
                f"config.json gives SAM 2 feature channels {list(channels)}, but a trunk of width "
                f"{config.embed_dim} has {list(config.backbone_channels)}.",
                "Correct one of the two.",
            )
        if config.hidden_dim % _DECODER_HEADS or config.hidden_dim % config.memory_dim:
            raise CheckpointError(
                f"SAM 2 hidden_dim {config.hidden_dim} must be a multiple of {_DECODER_HEADS} and "
                f"of memory_dim {config.memory_dim}.",
                "Correct config.json.",
            )
        return config

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def build_sam2(config: Sam2Config, cls: type[SAM2Base] | None = None) -> SAM2Base:
    """Build an untrained SAM 2.0 network in evaluation mode on the CPU, in float32.

    Parameters
    ----------
    config : Sam2Config
    cls : type, optional
        The class to build, `sam2.modeling.sam2_base.SAM2Base` by default. Tests pass
        `SAM2VideoPredictor` to compare with it.

    Returns
    -------
    SAM2Base
        Without post-processing (no hole filling, no binarised memory masks), which is how the
        Sa2VA family runs it.
    """
    from sam2.modeling.backbones.hieradet import Hiera
    from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
    from sam2.modeling.memory_attention import MemoryAttention, MemoryAttentionLayer
    from sam2.modeling.memory_encoder import CXBlock, Fuser, MaskDownSampler, MemoryEncoder
    from sam2.modeling.position_encoding import PositionEmbeddingSine
    from sam2.modeling.sam.transformer import RoPEAttention
    from sam2.modeling.sam2_base import SAM2Base

    dim, memory_dim = config.hidden_dim, config.memory_dim
    feat_sizes = [config.image_size // 16] * 2

    def sine(channels: int) -> PositionEmbeddingSine:
        return PositionEmbeddingSine(
            num_pos_feats=channels, normalize=True, scale=None, temperature=10000,
            image_size=config.image_size,
        )  # fmt: skip

    def rope(**kwargs: Any) -> RoPEAttention:
        return RoPEAttention(
            rope_theta=10000.0, feat_sizes=feat_sizes, embedding_dim=dim, num_heads=1,
            downsample_rate=1, dropout=0.1, **kwargs,
        )  # fmt: skip

    image_encoder = ImageEncoder(
        scalp=1,
        trunk=Hiera(
            embed_dim=config.embed_dim,
            num_heads=config.num_heads,
            stages=config.stages,
            global_att_blocks=config.global_att_blocks,
            window_spec=config.window_spec,
            window_pos_embed_bkg_spatial_size=config.window_pos_embed_bkg_spatial_size,
        ),
        neck=FpnNeck(
            position_encoding=sine(dim),
            d_model=dim,
            backbone_channel_list=list(config.backbone_channels),
            fpn_top_down_levels=[2, 3],
            fpn_interp_model="nearest",
        ),
    )
    memory_attention = MemoryAttention(
        d_model=dim,
        pos_enc_at_input=True,
        num_layers=config.memory_layers,
        layer=MemoryAttentionLayer(
            activation="relu",
            d_model=dim,
            dim_feedforward=config.memory_feedforward,
            dropout=0.1,
            pos_enc_at_attn=False,
            pos_enc_at_cross_attn_keys=True,
            pos_enc_at_cross_attn_queries=False,
            self_attention=rope(),
            cross_attention=rope(rope_k_repeat=True, kv_in_dim=memory_dim),
        ),
    )
    memory_encoder = MemoryEncoder(
        in_dim=dim,
        out_dim=memory_dim,
        position_encoding=sine(memory_dim),
        mask_downsampler=MaskDownSampler(embed_dim=dim, kernel_size=3, stride=2, padding=1),
        fuser=Fuser(
            CXBlock(
                dim=dim, kernel_size=7, padding=3, layer_scale_init_value=1e-6, use_dwconv=True
            ),
            num_layers=2,
        ),
    )
    model = (cls or SAM2Base)(
        image_encoder=image_encoder,
        memory_attention=memory_attention,
        memory_encoder=memory_encoder,
        image_size=config.image_size,
        num_maskmem=config.num_memory_frames,
        sigmoid_scale_for_mem_enc=20.0,
        sigmoid_bias_for_mem_enc=-10.0,
        use_mask_input_as_output_without_sam=True,
        directly_add_no_mem_embed=True,
        use_high_res_features_in_sam=True,
        multimask_output_in_sam=True,
        multimask_output_for_tracking=True,
        use_multimask_token_for_obj_ptr=True,
        multimask_min_pt_num=0,
        multimask_max_pt_num=1,
        iou_prediction_use_sigmoid=True,
        use_obj_ptrs_in_encoder=True,
        max_obj_ptrs_in_encoder=16,
        add_tpos_enc_to_obj_ptrs=False,
        only_obj_ptrs_in_the_past_for_eval=True,
        pred_obj_scores=True,
        pred_obj_scores_mlp=True,
        fixed_no_obj_ptr=True,
        use_mlp_for_obj_ptr_proj=True,
        sam_mask_decoder_extra_args={
            "dynamic_multimask_via_stability": True,
            "dynamic_multimask_stability_delta": 0.05,
            "dynamic_multimask_stability_thresh": 0.98,
        },
    )
    return model.eval()
