using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Broker.Tests.Support;

/// <summary>A provider of OpenID Connect in this process: it lets everyone in who is sent to it, with the roles that it was given, and checks the code, the secret and PKCE as a real one does.</summary>
internal sealed class TestIdentityProvider : IAsyncDisposable
{
    public const string ClientId = "broker";
    public const string ClientSecret = "s3cret-of-the-client";

    private readonly RSA _rsa = RSA.Create(2_048);
    private readonly RSA _strange = RSA.Create(2_048);
    private readonly ConcurrentDictionary<string, (string Nonce, string Challenge)> _codes = new();
    private WebApplication _app = null!;

    /// <summary>What is wrong with the tokens that it gives.</summary>
    internal enum Flaw
    {
        None,

        /// <summary>Another provider has given it.</summary>
        Issuer,

        /// <summary>It is for another application.</summary>
        Audience,

        /// <summary>Its signature is by a key that the provider does not publish.</summary>
        Signature,

        /// <summary>It belongs to another log-in.</summary>
        Nonce,

        /// <summary>Its time is over.</summary>
        Expired,
    }

    /// <summary>What is wrong with the tokens from now on.</summary>
    public Flaw TokenFlaw { get; set; }

    /// <summary>The roles of who logs in next.</summary>
    public IReadOnlyList<string> Roles { get; set; } = [];

    public string Url => _app.Urls.First();

    public static async Task<TestIdentityProvider> StartAsync()
    {
        var provider = new TestIdentityProvider();
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRoutingCore();
        provider._app = builder.Build();
        provider.Map();
        await provider._app.StartAsync();
        return provider;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _rsa.Dispose();
        _strange.Dispose();
    }

    private void Map()
    {
        _app.MapGet("/.well-known/openid-configuration", http => http.Response.WriteAsJsonAsync(new Dictionary<string, object>
        {
            ["issuer"] = Url,
            ["authorization_endpoint"] = $"{Url}/authorize",
            ["token_endpoint"] = $"{Url}/token",
            ["userinfo_endpoint"] = $"{Url}/userinfo",
            ["jwks_uri"] = $"{Url}/keys",
        }));
        _app.MapGet("/keys", http =>
        {
            var jwk = JsonWebKeyConverter.ConvertFromRSASecurityKey(new RsaSecurityKey(_rsa.ExportParameters(includePrivateParameters: false)) { KeyId = "test" });
            return http.Response.WriteAsJsonAsync(new { keys = new[] { new { kty = jwk.Kty, kid = jwk.Kid, n = jwk.N, e = jwk.E, alg = "RS256", use = "sig" } } });
        });
        _app.MapGet("/authorize", http =>
        {
            var query = http.Request.Query;
            var code = Guid.CreateVersion7().ToString("N");
            _codes[code] = (query["nonce"].ToString(), query["code_challenge"].ToString());
            http.Response.Redirect($"{query["redirect_uri"]}?code={code}&state={Uri.EscapeDataString(query["state"].ToString())}");
            return Task.CompletedTask;
        });
        _app.MapPost("/token", async http =>
        {
            var form = await http.Request.ReadFormAsync();
            var verifier = Base64UrlEncoder.Encode(SHA256.HashData(System.Text.Encoding.ASCII.GetBytes(form["code_verifier"].ToString())));
            if (!_codes.TryRemove(form["code"].ToString(), out var asked) || form["client_secret"] != ClientSecret || verifier != asked.Challenge)
            {
                http.Response.StatusCode = StatusCodes.Status400BadRequest;
                return;
            }
            var now = TimeProvider.System.GetUtcNow().UtcDateTime;
            var token = new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
            {
                Issuer = TokenFlaw == Flaw.Issuer ? "https://login.example.com" : Url,
                Audience = TokenFlaw == Flaw.Audience ? "another-client" : ClientId,
                IssuedAt = now.AddHours(-2),
                NotBefore = now.AddHours(-2),
                Expires = now.AddHours(TokenFlaw == Flaw.Expired ? -1 : 1),
                Claims = new Dictionary<string, object> { ["sub"] = "42", ["nonce"] = TokenFlaw == Flaw.Nonce ? "another" : asked.Nonce },
                SigningCredentials = new SigningCredentials(new RsaSecurityKey(TokenFlaw == Flaw.Signature ? _strange : _rsa) { KeyId = "test" }, SecurityAlgorithms.RsaSha256),
            });
            await http.Response.WriteAsJsonAsync(new { access_token = "access", token_type = "Bearer", id_token = token });
        });
        _app.MapGet("/userinfo", http => http.Response.WriteAsJsonAsync(new { sub = "42", preferred_username = "grace", roles = Roles }));
    }
}
