using System.Collections.Concurrent;
using Microsoft.Playwright;

namespace Broker.Tests.Support;

/// <summary>A browser without a window, and what went wrong in its pages.</summary>
internal sealed class TestBrowser : IAsyncDisposable
{
    /// <summary>A page shows what its snapshot says, and on a busy machine a source is asked only every 15 s. Nothing waits longer than it must.</summary>
    private const float Patience = 45_000;

    private readonly IPlaywright _playwright;
    private readonly IBrowser _browser;

    private TestBrowser(IPlaywright playwright, IBrowser browser) => (_playwright, _browser) = (playwright, browser);

    /// <summary>What pages have written to the console as errors, and what their scripts have thrown.</summary>
    public ConcurrentQueue<string> Errors { get; } = new();

    /// <summary>Starts Debian's Chromium. Skips the test when there is none; on CI that is a failure.</summary>
    public static async Task<TestBrowser> StartAsync()
    {
        var program = TestServers.Chromium();
        Assertions.SetDefaultExpectTimeout(Patience);
        var playwright = await Playwright.CreateAsync();
        // Tests may run as root, for whom the browser has no sandbox; it sees our own pages alone.
        return new TestBrowser(playwright, await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = program, Args = ["--no-sandbox", "--disable-gpu"] }));
    }

    /// <summary>A window of a user of its own: no cookie of another, and logged in.</summary>
    /// <param name="url">The dashboard.</param>
    /// <param name="user">Who.</param>
    /// <param name="width">How wide it is; as a phone below 500.</param>
    /// <param name="dark">Whether its user wants dark pages.</param>
    public async Task<IPage> OpenAsync(string url, string user = "ada", int width = 1_280, bool dark = false)
    {
        var context = await _browser.NewContextAsync(new BrowserNewContextOptions
        {
            BaseURL = url,
            HttpCredentials = new HttpCredentials { Username = user, Password = TestDashboard.Password, Send = HttpCredentialsSend.Always },
            ViewportSize = new ViewportSize { Width = width, Height = width < 500 ? 812 : 900 },
            HasTouch = width < 500,
            ColorScheme = dark ? ColorScheme.Dark : ColorScheme.Light,
            ReducedMotion = ReducedMotion.Reduce,
        });
        var page = await context.NewPageAsync();
        page.SetDefaultTimeout(Patience);
        page.Console += (_, message) =>
        {
            if (message.Type == "error")
                Errors.Enqueue($"{page.Url}: {message.Text}");
        };
        page.PageError += (_, error) => Errors.Enqueue($"{page.Url}: {error}");
        return page;
    }

    public async ValueTask DisposeAsync()
    {
        await _browser.DisposeAsync();
        _playwright.Dispose();
    }
}
