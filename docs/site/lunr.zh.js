/* Search in Chinese without a dictionary: of a run of Chinese characters every tail is a word of the index, up to a length,
 * so that what is typed, of which the search takes every continuation, is found wherever it stands. */
(function () {
  var run = /[\u3400-\u9fff]+|[^\s\-,.;:!?()\[\]{}<>"'`，。；：！？（）、《》“”\u3400-\u9fff]+/g, longest = 8;
  lunr.zh = function () {
    this.pipeline.reset();
    this.searchPipeline.reset();
    this.tokenizer = function (value, metadata) {
      if (value === null || value === undefined) return [];
      if (Array.isArray(value)) return value.map(function (v) { return new lunr.Token(String(v).toLowerCase(), metadata); });
      var text = String(value).toLowerCase(), tokens = [], found;
      function add(start, length) {
        var m = lunr.utils.clone(metadata) || {};
        m.position = [start, length];
        m.index = tokens.length;
        tokens.push(new lunr.Token(text.substr(start, length), m));
      }
      run.lastIndex = 0;
      while ((found = run.exec(text))) {
        var chinese = found[0].charCodeAt(0) >= 0x3400 && found[0].charCodeAt(0) <= 0x9fff;
        for (var i = 0; i < (chinese ? found[0].length : 1); i++)
          add(found.index + i, chinese ? Math.min(longest, found[0].length - i) : found[0].length);
      }
      return tokens;
    };
  };
  lunr.zh.trimmer = lunr.zh.stopWordFilter = lunr.zh.stemmer = function (token) { return token; };
})();
