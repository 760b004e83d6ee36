"""The programs of the training renderer, in GLSL 3.30."""

VERTEX = """
#version 330
uniform mat4 view_projection;
in vec3 in_position; in vec3 in_normal; in vec2 in_uv; in vec3 in_colour; in vec2 in_material;
out vec3 position; out vec3 normal; out vec2 uv; out vec3 colour; out vec2 material;
void main() {
    position = in_position; normal = in_normal; uv = in_uv; colour = in_colour; material = in_material;
    gl_Position = view_projection * vec4(in_position, 1.0);
}
"""

FRAGMENT = """
#version 330
uniform sampler2D base; uniform bool textured;
uniform sampler2D surface_map; uniform bool surface_textured;
uniform vec3 eye; uniform vec3 axis;
uniform vec3 sky; uniform vec3 ground; uniform vec3 light_direction[2]; uniform vec3 light_colour[2];
uniform sampler3D surroundings; uniform bool surrounded;
uniform sampler2DShadow shadow_map; uniform bool shadowed; uniform mat4 to_shadow; uniform float shadow_texel;
uniform float contact; uniform float floor_height;
in vec3 position; in vec3 normal; in vec2 uv; in vec3 colour; in vec2 material;
layout(location = 0) out vec4 shaded;    // sRGB
layout(location = 1) out vec4 albedo;    // sRGB
layout(location = 2) out vec4 surface;   // world normal, depth
layout(location = 3) out vec2 rough_metal;
const float PI = 3.14159265;
vec3 to_linear(vec3 c) { return mix(c / 12.92, pow((c + 0.055) / 1.055, vec3(2.4)), step(0.04045, c)); }
vec3 to_srgb(vec3 c) {
    c = clamp(c, 0.0, 1.0);
    return mix(c * 12.92, 1.055 * pow(c, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, c));
}
vec3 radiance(vec3 d, float layer) {     // of the six prefiltered layers, the last for matt surfaces
    return texture(surroundings, vec3(atan(d.x, d.z) / (2.0 * PI), asin(clamp(d.y, -1.0, 1.0)) / PI + 0.5,
                                      (layer + 0.5) / 6.0)).rgb;
}
vec2 split_sum(float roughness, float n_v) {   // scale and bias of f0: the fit of Karis (2014) for mobile
    vec4 r = roughness * vec4(-1.0, -0.0275, -0.572, 0.022) + vec4(1.0, 0.0425, 1.04, -0.04);
    float a = min(r.x * r.x, exp2(-9.28 * n_v)) * r.x + r.y;
    return vec2(-1.04, 1.04) * a + r.zw;
}
float lit(vec3 n) {                      // share of the first light that arrives, over four by four texels
    if (!shadowed) return 1.0;
    vec3 start = position + n * shadow_texel * 3.0;
    vec3 at = (to_shadow * vec4(start, 1.0)).xyz * 0.5 + 0.5;
    float sum = 0.0;
    for (int i = 0; i < 4; ++i) {
        vec2 tap = vec2(float(i & 1) - 0.5, float(i >> 1) - 0.5) * 2.0;
        sum += texture(shadow_map, vec3(at.xy + tap * shadow_texel, at.z - 0.002));
    }
    return sum * 0.25;
}
void main() {
    vec3 tint = textured ? colour * to_linear(texture(base, uv).rgb) : colour;
    vec2 rough_metal_here = surface_textured ? texture(surface_map, uv).rg : material;
    vec3 v = normalize(eye - position);
    vec3 n = normalize(normal);
    if (!gl_FrontFacing && dot(n, v) < 0.0) n = -n;
    float roughness = rough_metal_here.x, metallic = rough_metal_here.y, alpha = roughness * roughness;
    vec3 f0 = mix(vec3(0.04), tint, metallic);
    float n_v = max(dot(n, v), 1e-3);
    vec3 fresnel = f0 + (max(vec3(1.0 - roughness), f0) - f0) * pow(1.0 - n_v, 5.0);
    vec3 diffuse = tint * (1.0 - metallic);
    vec3 reflected = reflect(-v, n);
    vec3 light;
    if (surrounded) {
        vec2 scale_bias = split_sum(roughness, n_v);
        light = diffuse * radiance(n, 5.0)
              + (f0 * scale_bias.x + scale_bias.y)
              * radiance(reflected, clamp(roughness * 5.0 - 1.0, 0.0, 4.0));
    } else {
        float soft = mix(0.15, 1.0, roughness);
        light = diffuse * mix(ground, sky, n.y * 0.5 + 0.5)
              + fresnel * mix(ground, sky, smoothstep(-soft, soft, reflected.y)) * mix(1.0, 0.7, roughness);
    }
    // The ground under the object lies in its shade: less light from below, the less the nearer it is.
    light *= 1.0 - contact * (0.5 - 0.5 * n.y) * exp(-6.0 * (position.y - floor_height));
    for (int i = 0; i < 2; ++i) {                       // Cook-Torrance with GGX (Walter et al. 2007)
        vec3 l = light_direction[i], h = normalize(l + v);
        float n_l = max(dot(n, l), 0.0), n_h = max(dot(n, h), 0.0), l_h = max(dot(l, h), 0.0);
        float a2 = max(alpha * alpha, 1e-3), d = n_h * n_h * (a2 - 1.0) + 1.0;
        float k = (roughness + 1.0) * (roughness + 1.0) / 8.0;
        float visible = 1.0 / ((n_l * (1.0 - k) + k) * (n_v * (1.0 - k) + k));
        vec3 f = f0 + (1.0 - f0) * pow(1.0 - l_h, 5.0);
        float arrives = i == 0 && n_l > 0.0 ? lit(n) : 1.0;
        vec3 gloss = f * min(a2 / (3.14159 * d * d), 20.0) * visible * 0.25;
        light += arrives * light_colour[i] * n_l * (diffuse + gloss);
    }
    shaded = vec4(to_srgb(light), 1.0);
    albedo = vec4(to_srgb(tint), 1.0);
    surface = vec4(n, dot(position - eye, axis));
    rough_metal = vec2(roughness, metallic);
}
"""

RESOLVE_VERTEX = """
#version 330
void main() {                            // one triangle over the whole image
    gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0);
}
"""

RESOLVE_FRAGMENT = """
#version 330
uniform sampler2D shaded; uniform sampler2D albedo; uniform sampler2D surface; uniform sampler2D rough_metal;
uniform int supersampling;
layout(location = 0) out vec4 colour_and_alpha;
layout(location = 1) out vec4 albedo_and_depth;
layout(location = 2) out vec4 normal_and_roughness;
layout(location = 3) out float metallic;
void main() {                            // rows from the top
    int size = textureSize(shaded, 0).y / supersampling;
    ivec2 first = ivec2(gl_FragCoord.x, size - 1 - int(gl_FragCoord.y)) * supersampling;
    vec4 light = vec4(0.0), matter = vec4(0.0), shape = vec4(0.0);
    vec2 finish = vec2(0.0);
    for (int y = 0; y < supersampling; ++y) for (int x = 0; x < supersampling; ++x) {
        // What nothing covers is zero: plain sums are already weighted by coverage.
        ivec2 at = first + ivec2(x, y);
        vec4 here = texelFetch(surface, at, 0);
        // Of slivers without area, positions are interpolated by a division by zero.
        if (isnan(here.w)) continue;
        light += texelFetch(shaded, at, 0);
        matter += texelFetch(albedo, at, 0);
        shape += here;
        finish += texelFetch(rough_metal, at, 0).rg;
    }
    float weight = max(light.a, 1.0);
    colour_and_alpha = vec4(light.rgb / weight, light.a / float(supersampling * supersampling));
    albedo_and_depth = vec4(matter.rgb, shape.w) / weight;
    normal_and_roughness = vec4(shape.xyz / max(length(shape.xyz), 1e-6), finish.x / weight);
    metallic = finish.y / weight;
}
"""

SHADOW_VERTEX = """
#version 330
uniform mat4 to_shadow;
in vec3 in_position;
void main() { gl_Position = to_shadow * vec4(in_position, 1.0); }
"""

SHADOW_FRAGMENT = """
#version 330
void main() {}
"""
